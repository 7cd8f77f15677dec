#include "autoscaler.hpp"

#include <algorithm>
#include <utility>

namespace umbel {

std::optional<std::size_t> AutoscalePlan::slots(std::size_t now, std::size_t wanted,
                                                Steady::time_point at) {
  if (const auto more = std::min(wanted, range_.most); more > now) {
    grown_ = at;
    return more;
  }
  const auto fewer = std::max({wanted, range_.least, std::size_t{1}});
  if (fewer < now && grown_ && at - *grown_ > keep_) return fewer;
  return std::nullopt;
}

std::optional<std::size_t> AutoscalePlan::change(std::optional<std::size_t> most,
                                                 std::optional<std::size_t> least,
                                                 std::size_t now) {
  if (most) range_.most = *most;
  if (least) range_.least = *least;
  const auto slots = std::clamp(now, std::max<std::size_t>(range_.least, 1),
                                std::max<std::size_t>(range_.most, 1));
  if (slots == now) return std::nullopt;
  return slots;
}

Autoscaler::Autoscaler(AutoscalePlan plan, std::chrono::milliseconds every, Pool pool,
                       const Clock& clock, Log log)
    : pool_{std::move(pool)},
      clock_{clock},
      every_{every},
      log_{std::move(log)},
      plan_{std::move(plan)},
      thread_{[this](const std::stop_token& stop) { run(stop); }} {}

void Autoscaler::close() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

AutoscaleFigures Autoscaler::figures() const {
  AutoscaleFigures figures;
  figures.current = pool_.slots();
  figures.reserved = pool_.wanted();
  const std::lock_guard lock{mutex_};
  figures.range = plan_.range();
  return figures;
}

AutoscaleRange Autoscaler::change(std::optional<std::size_t> most,
                                  std::optional<std::size_t> least) {
  const std::lock_guard lock{mutex_};
  if (const auto slots = plan_.change(most, least, pool_.slots())) resize(*slots);
  return plan_.range();
}

void Autoscaler::run(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  while (!stop.stop_requested()) {
    if (const auto slots = plan_.slots(pool_.slots(), pool_.wanted(), clock_.steady())) {
      resize(*slots);
    }
    wake_.wait_for(lock, stop, every_, [] { return false; });
  }
}

void Autoscaler::resize(std::size_t slots) {
  log_.info("autoscale", {{"slots", slots}, {"before", pool_.slots()}});
  pool_.resize(slots);
}

}  // namespace umbel
