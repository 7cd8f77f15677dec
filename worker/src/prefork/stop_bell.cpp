#include "stop_bell.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace umbel::prefork {

StopBell::StopBell(int descriptor)
    : descriptor_{descriptor}, thread_{[this](const std::stop_token& stop) { listen(stop); }} {}

StopBell::~StopBell() {
  thread_.request_stop();
  (void)shutdown(descriptor_, SHUT_RDWR);  // wakes it
}

std::stop_token StopBell::begin(std::uint64_t job) {
  std::stop_source fresh;
  const std::lock_guard lock{mutex_};
  job_ = job;
  stop_ = fresh;
  if (stopped_ == job) fresh.request_stop();
  return fresh.get_token();
}

void StopBell::listen(const std::stop_token& stop) {
  for (;;) {
    std::uint64_t job = 0;
    const auto got = recv(descriptor_, &job, sizeof job, 0);
    if (stop.stop_requested()) return;
    if (got < 0 && errno == EINTR) continue;
    if (got != static_cast<ssize_t>(sizeof job)) _exit(0);
    std::stop_source run{std::nostopstate};
    {
      const std::lock_guard lock{mutex_};
      stopped_ = std::max(stopped_, job);
      if (job_ == job) run = stop_;
    }
    run.request_stop();  // outside the lock: it calls what the task registered
  }
}

}  // namespace umbel::prefork
