// A TCP connection to a server on loopback on which a test asks and waits for the answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace umbel::testing {

// Not thread-safe. Whatever fails throws std::runtime_error.
class Dialogue {
 public:
  explicit Dialogue(std::uint16_t port,
                    std::chrono::milliseconds patience = std::chrono::seconds{20});
  ~Dialogue();
  Dialogue(const Dialogue&) = delete;
  Dialogue& operator=(const Dialogue&) = delete;

  void send(std::string_view bytes) const;
  [[nodiscard]] std::string receive(std::size_t bytes);
  [[nodiscard]] std::string line();  // without its CR LF

 private:
  void fill();

  int socket_;
  std::chrono::milliseconds patience_;  // with each answer
  std::string read_;
};

}  // namespace umbel::testing
