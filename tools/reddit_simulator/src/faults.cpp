#include "faults.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "dice.hpp"

namespace umbel::reddit_simulator {
namespace {

constexpr std::uint64_t kRequestPurpose = 7, kSubmissionPurpose = 8;
constexpr double kRounding = 1e-9;

std::string names() {
  std::string all = "all";
  for (const FaultName& one : kFaults) all += fmt::format(", {}", one.name);
  return all;
}

std::optional<double> rate_in(std::string_view text) {
  double rate = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), rate);
  if (bad != std::errc{} || end != text.data() + text.size() || !(rate >= 0 && rate <= 1)) {
    return std::nullopt;
  }
  return rate;
}

}  // namespace

std::string_view to_text(Fault fault) {
  const auto* const found = std::find_if(kFaults.begin(), kFaults.end(),
                                         [&](const FaultName& one) { return one.fault == fault; });
  return found->name;
}

Result<FaultTable> FaultTable::parse(const std::vector<std::string>& entries) {
  FaultTable table;
  const auto set = [&table](const FaultName& kind, double rate) {
    Rates& rates = kind.lasting ? table.lasting_ : table.transient_;
    std::erase_if(rates, [&](const auto& one) { return one.first == kind.fault; });
    if (rate > 0) rates.emplace_back(kind.fault, rate);
  };
  for (const std::string& entry : entries) {
    const auto equals = entry.find('=');
    const std::string_view name = std::string_view{entry}.substr(0, equals);
    const auto rate = equals == std::string::npos
                          ? std::nullopt
                          : rate_in(std::string_view{entry}.substr(equals + 1));
    if (!rate) {
      return invalid(
          fmt::format("faults: '{}' is not KIND=RATE with a rate from 0 to 1, as in html=0.05; "
                      "kinds are {}",
                      entry, names()));
    }
    const auto* const kind = std::find_if(kFaults.begin(), kFaults.end(),
                                          [&](const FaultName& one) { return one.name == name; });
    if (name == "all") {
      for (const FaultName& one : kFaults) set(one, *rate);
    } else if (kind == kFaults.end()) {
      return invalid(fmt::format("faults: there is no kind '{}'; kinds are {}", name, names()));
    } else {
      set(*kind, *rate);
    }
  }
  for (const Rates* rates : {&table.transient_, &table.lasting_}) {
    double sum = 0;
    for (const auto& [fault, rate] : *rates) sum += rate;
    if (sum > 1 + kRounding) {
      return invalid(fmt::format(
          "faults: the rates of those that {} sum to {:.3g}, which is above 1",
          rates == &table.lasting_ ? "last (private, banned, quarantined, deleted)" : "pass", sum));
    }
  }
  return table;
}

std::optional<Fault> FaultTable::drawn(const Rates& rates, double place) {
  for (const auto& [fault, rate] : rates) {
    if (place < rate) return fault;
    place -= rate;
  }
  return std::nullopt;
}

std::optional<Fault> FaultTable::of_request(std::uint64_t seed, std::uint64_t number) const {
  return drawn(transient_, Dice{seed, number, kRequestPurpose}.unit());
}

std::optional<Fault> FaultTable::of_submission(std::uint64_t seed, std::uint64_t number) const {
  return drawn(lasting_, Dice{seed, number, kSubmissionPurpose}.unit());
}

bool FaultTable::has(Fault fault) const {
  const auto in = [fault](const Rates& rates) {
    return std::any_of(rates.begin(), rates.end(),
                       [fault](const auto& one) { return one.first == fault; });
  };
  return in(transient_) || in(lasting_);
}

}  // namespace umbel::reddit_simulator
