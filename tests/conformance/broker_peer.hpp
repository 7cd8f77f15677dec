// A process of its own that uses the broker, so that a test may freeze it or kill it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

#include "broker_under_test.hpp"

namespace umbel::testing {

// Runs conformance_broker_peer (see broker_peer_main.cpp for the roles). Killed when it goes.
class Peer {
 public:
  // Throws if it cannot be started. `count` is how many messages it takes or publishes.
  Peer(const std::string& engine, const BrokerSetup& setup, const std::string& role,
       std::size_t count);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // What it wrote so far, whole lines only.
  [[nodiscard]] std::vector<std::string> lines() const;
  [[nodiscard]] bool said(const std::string& line) const;
  void tell(const std::string& line) const;
  void send(int signal) const;
  void kill();                    // -9, and waits for its end
  [[nodiscard]] int wait_exit();  // its exit code; closes its standard input first

 private:
  void close_input();

  pid_t pid_ = -1;
  int input_ = -1;
  std::string output_;
};

}  // namespace umbel::testing
