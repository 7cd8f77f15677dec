#include "umbel/runtime/outage.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "umbel/base/text.hpp"

namespace umbel {
namespace {

constexpr std::string_view kEngine = "RabbitMQ";

// `RabbitMQ at <address>: …` or `RabbitMQ: …`: there is no connection, and the engine has said so.
// What a server refuses on one that works begins with what was tried.
bool said_by_engine(std::string_view reason) {
  if (!reason.starts_with(kEngine)) return false;
  reason.remove_prefix(kEngine.size());
  return reason.starts_with(" at ") || reason.starts_with(": ");
}

}  // namespace

Outage::Outage(std::string what, const Clock& clock, Log log)
    : what_{std::move(what)}, clock_{clock}, log_{std::move(log)} {}

std::chrono::milliseconds Outage::failed(const Error& error) {
  const std::lock_guard lock{mutex_};
  if (!error_) {
    since_ = clock_.steady();
    next_ = kFirst;
    said_elsewhere_ = what_ != kEngine && said_by_engine(error.what);
    constexpr const char* kBegins = "does not work; trying until it does";
    if (said_elsewhere_) {
      log_.debug(kBegins, {{"what", what_}, {"reason", error.what}});
    } else {
      log_.warn(kBegins, {{"what", what_}, {"reason", error.what}});
    }
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
  if (said_elsewhere_) {
    log_.debug("works again", {{"what", what_}, {"outage", spoken(lasted)}});
  } else {
    log_.info("works again", {{"what", what_}, {"outage", spoken(lasted)}});
  }
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
