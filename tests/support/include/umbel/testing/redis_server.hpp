// A real Redis that a test owns: redis-server on a loopback port of its own, which keeps nothing
// on disk and cannot outlive the test. It starts in a tenth of a second.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "umbel/testing/process.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::testing {

// Not thread-safe. Whatever fails throws std::runtime_error.
class RedisServer {
 public:
  // Up and answering when it returns. With a password, clients must give it.
  explicit RedisServer(const std::string& password = "");
  ~RedisServer();

  void start();  // the same port, empty; up and answering when it returns
  void kill();   // SIGKILL
  void freeze() const { server_->freeze(); }
  void thaw() const { server_->thaw(); }
  [[nodiscard]] bool running() { return server_->running(); }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  // redis://127.0.0.1:12345/0; `port` for a proxy in between.
  [[nodiscard]] std::string url(int database = 0, std::uint16_t port = 0) const;

  // The answer to a command in database 0: a text as it is, a number in digits, nothing as
  // `(nil)`, a list with its elements on lines of their own. An error answer throws.
  std::string ask(const std::vector<std::string>& command, int database = 0);

 private:
  std::string password_;
  TempDir dir_;
  std::uint16_t port_;
  std::unique_ptr<Process> server_;
};

}  // namespace umbel::testing
