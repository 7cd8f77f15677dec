#include "umbel/runtime/service.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace umbel {
namespace {

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}

// As if the signal had never been handled: whoever waits for us sees that it was the signal.
[[noreturn]] void die_by(int signal) {
  ::signal(signal, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  raise(signal);
  _exit(128 + signal);  // not reached
}

// Ends the process when a signal to stop comes again while services are stopping.
class ImpatienceGuard {
 public:
  explicit ImpatienceGuard(const Log& log)
      : log_{log}, thread_{[this](const std::stop_token& stop) { run(stop); }} {}

 private:
  void run(const std::stop_token& stop) const {
    sigset_t set = handled_signals();
    sigdelset(&set, SIGHUP);
    while (!stop.stop_requested()) {
      const timespec limit{0, 100'000'000};
      const int signal = sigtimedwait(&set, nullptr, &limit);
      if (signal == SIGINT || signal == SIGTERM) {
        log_.warn("stopped at once by a second signal", {{"signal", signal}});
        die_by(signal);
      }
    }
  }
  const Log& log_;
  std::jthread thread_;
};

}  // namespace

void request_stop() { ::kill(getpid(), SIGTERM); }

void block_signals() {
  const sigset_t set = handled_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);  // a peer that went away is an error value, not a death
  signal(SIGXFSZ, SIG_IGN);  // and so is a file that may not grow (ulimit -f)
}

int run_until_signal(const std::vector<Service*>& services, const Log& log,
                     const std::function<void()>& on_hangup) {
  block_signals();
  std::size_t started = 0;
  int status = 0;
  for (Service* service : services) {
    if (const auto result = service->start(); result.has_error()) {
      log.error("cannot start", {{"reason", result.error().what}});
      status = 1;
      break;
    }
    ++started;
  }
  if (status == 0) {
    const sigset_t set = handled_signals();
    for (;;) {
      int signal = 0;
      if (sigwait(&set, &signal) != 0) continue;
      if (signal == SIGHUP) {
        if (on_hangup) on_hangup();
        continue;
      }
      log.info("stopping", {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
      break;
    }
  }
  const ImpatienceGuard guard{log};
  while (started > 0) services[--started]->stop();
  return status;
}

}  // namespace umbel
