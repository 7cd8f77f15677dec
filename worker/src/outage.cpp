#include "outage.hpp"

#include <algorithm>
#include <utility>

#include "umbel/base/text.hpp"

namespace umbel {

Outage::Outage(std::string what, const Clock& clock, Log log)
    : what_{std::move(what)}, clock_{clock}, log_{std::move(log)} {}

std::chrono::milliseconds Outage::failed(const Error& error) {
  const std::lock_guard lock{mutex_};
  if (!error_) {
    since_ = clock_.steady();
    wait_ = kFirst;
    log_.warn("does not answer; trying until it does", {{"what", what_}, {"reason", error.what}});
  }
  error_ = error;
  return std::exchange(wait_, std::min(wait_ * 2, kCap));
}

void Outage::over() {
  const std::lock_guard lock{mutex_};
  if (!error_) return;
  const auto lasted =
      std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady() - since_);
  log_.info("answers again", {{"what", what_}, {"outage", spoken(lasted)}});
  error_.reset();
}

std::optional<Error> Outage::current() const {
  const std::lock_guard lock{mutex_};
  return error_;
}

std::chrono::microseconds Outage::lasted() const {
  const std::lock_guard lock{mutex_};
  if (!error_) return std::chrono::microseconds{0};
  return std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady() - since_);
}

}  // namespace umbel
