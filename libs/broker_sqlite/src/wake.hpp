// Waking those who wait, across processes.
//
// Who waits binds a datagram socket in the folder beside the broker's file and writes its name into
// its row; who changes something sends a byte to the names it finds there. A byte may get lost (the
// reader died, its buffer is full, the folder is gone): every wait therefore looks for itself after
// kPollInterval at the latest.
#pragma once

#include <chrono>
#include <span>
#include <stop_token>
#include <string>

#include "umbel/base/log.hpp"

namespace umbel::broker_sqlite {

inline constexpr std::chrono::milliseconds kPollInterval{50};

// A file descriptor that is closed when it goes; -1 is none.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_{fd} {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

// The folder of the sockets. Without one (it could not be made) nothing is sent and all poll.
// Thread-safe.
class WakeFolder {
 public:
  WakeFolder(const std::string& database_path, const Log& log);

  // Sends a byte to each; names of the dead are unlinked.
  void wake(std::span<const std::string> names) const;
  void unlink(const std::string& name) const;

  // A datagram socket bound under `name`, or -1.
  [[nodiscard]] int bind(const std::string& name) const;

 private:
  void sweep(const std::string& path) const;

  Descriptor folder_;
  Descriptor sender_;
};

// A name in the folder that can be woken; unbound and unlinked at the end.
class WakeSocket {
 public:
  explicit WakeSocket(const WakeFolder& folder);
  ~WakeSocket();
  WakeSocket(const WakeSocket&) = delete;
  WakeSocket& operator=(const WakeSocket&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }  // empty: could not be bound
  [[nodiscard]] int fd() const { return socket_.get(); }
  void drain() const;

 private:
  const WakeFolder& folder_;
  std::string name_;
  Descriptor socket_;
};

// A flag that a thread can wait for together with sockets. raise() is thread-safe.
class Signal {
 public:
  Signal();
  void raise() const;
  void clear() const;
  [[nodiscard]] int fd() const { return event_.get(); }

 private:
  Descriptor event_;
};

// One call that waits: until something is raised, at most for its limit, and not at all once stop
// is requested.
class Wait {
 public:
  Wait(std::chrono::milliseconds limit, std::stop_token stop);

  [[nodiscard]] bool over() const;
  // Returns when one of `sockets` has something to read, on stop, after `at_most`, after
  // kPollInterval, or at the limit.
  void for_any(std::span<const int> sockets, std::chrono::microseconds at_most);

 private:
  struct OnStop {
    const Signal* signal;
    void operator()() const { signal->raise(); }
  };
  std::chrono::steady_clock::time_point until_;
  std::stop_token stop_;
  Signal stopped_;
  std::stop_callback<OnStop> on_stop_;
};

}  // namespace umbel::broker_sqlite
