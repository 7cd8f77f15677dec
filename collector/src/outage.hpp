// One line when something stops working, one when it works again, however often it is tried in
// between; and how long to wait meanwhile.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>

#include "umbel/base/log.hpp"
#include "umbel/base/result.hpp"

namespace umbel::collector {

// By one thread.
class Outage {
 public:
  Outage(Log log, std::string what) : log_{std::move(log)}, what_{std::move(what)} {}

  void failed(const Error& error) {
    if (!failing_) log_.error(what_ + " failed; trying again", {{"error", error.what}});
    wait_ = failing_ ? std::min(wait_ * 2, kLongest) : kShortest;
    failing_ = true;
  }
  void works() {
    if (failing_) log_.info(what_ + " works again");
    failing_ = false;
  }
  [[nodiscard]] bool failing() const { return failing_; }
  [[nodiscard]] std::chrono::milliseconds wait() const { return wait_; }

 private:
  static constexpr std::chrono::milliseconds kShortest{100};
  static constexpr std::chrono::milliseconds kLongest{3000};
  Log log_;
  std::string what_;
  bool failing_ = false;
  std::chrono::milliseconds wait_{kShortest};
};

}  // namespace umbel::collector
