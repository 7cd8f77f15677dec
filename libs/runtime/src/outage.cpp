#include "umbel/runtime/outage.hpp"

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
    next_ = kFirst;
    log_.warn("does not work; trying until it does", {{"what", what_}, {"reason", error.what}});
  }
  error_ = error;
  wait_ = std::exchange(next_, std::min(next_ * 2, kCap));
  return wait_;
}

void Outage::over() {
  const std::lock_guard lock{mutex_};
  if (!error_) return;
  const auto lasted =
      std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady() - since_);
  log_.info("works again", {{"what", what_}, {"outage", spoken(lasted)}});
  error_.reset();
}

bool Outage::failing() const { return current().has_value(); }

std::chrono::milliseconds Outage::wait() const {
  const std::lock_guard lock{mutex_};
  return wait_;
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
