#include "umbel/runtime/readiness.hpp"

#include <utility>

namespace umbel {
namespace {

std::string wrong_with(const Readiness::Check& check) {
  try {
    const auto answer = check();
    if (answer.has_value()) return {};
    return answer.error().what.empty() ? "no reason given" : answer.error().what;
  } catch (const std::exception& thrown) {
    return std::string{"the check failed: "} + thrown.what();
  }
}

}  // namespace

void Readiness::add(const std::string& name, Check check) {
  const std::lock_guard lock{mutex_};
  checks_[name] = std::move(check);
}

void Readiness::set(const std::string& name, Result<void> state) {
  add(name, [said = std::move(state)] { return said; });
}

void Readiness::remove(const std::string& name) {
  const std::lock_guard lock{mutex_};
  checks_.erase(name);
}

std::vector<Readiness::Condition> Readiness::conditions() const {
  std::map<std::string, Check> checks;
  {
    const std::lock_guard lock{mutex_};
    checks = checks_;  // a check may take its time, and may say set() itself
  }
  std::vector<Condition> all;
  all.reserve(checks.size());
  for (const auto& [name, check] : checks) all.push_back({name, wrong_with(check)});
  return all;
}

Result<void> Readiness::all() const {
  for (const Condition& each : conditions()) {
    if (!each.holds()) return unavailable(each.name + ": " + each.wrong);
  }
  return {};
}

}  // namespace umbel
