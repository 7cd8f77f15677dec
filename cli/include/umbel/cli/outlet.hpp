// Where a supervisor prints: a terminal, a file or a pipe that may stand still or be closed.
//
// A terminal stopped with Ctrl-S, or a pager that is not read, must not stop the supervisor, or all
// its programs would stop with it. So nothing here blocks: what cannot be written yet waits, up to
// a bound; what is beyond it is left out and counted in words.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "umbel/base/clock.hpp"

namespace umbel {

// Not thread-safe. SIGPIPE must be ignored.
class Outlet {
 public:
  // Does not own the descriptor.
  explicit Outlet(int descriptor, std::size_t most_waiting = 256 * 1024);

  void print(std::string_view text);

  // To poll() for POLLOUT; -1 while there is nothing to write, or once nobody reads any more.
  [[nodiscard]] int waits_for() const;
  void write_some();                        // as much as goes without waiting
  void flush(Steady::time_point deadline);  // all, or as much as goes until then
  [[nodiscard]] bool closed() const { return closed_; }

 private:
  [[nodiscard]] bool ready(int wait_milliseconds) const;
  void catch_up();

  int descriptor_;
  std::size_t most_waiting_;
  std::string waiting_;
  std::size_t left_out_ = 0;  // texts
  bool closed_ = false;
};

}  // namespace umbel
