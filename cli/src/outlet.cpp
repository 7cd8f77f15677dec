#include "umbel/cli/outlet.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

namespace umbel {

Outlet::Outlet(int descriptor, std::size_t most_waiting)
    : descriptor_{descriptor}, most_waiting_{most_waiting} {}

void Outlet::print(std::string_view text) {
  if (closed_) return;
  // What is left out is one piece of the text, closed by the line that says so.
  if (left_out_ > 0 || waiting_.size() + text.size() > most_waiting_) {
    ++left_out_;
    return;
  }
  waiting_ += text;
  write_some();
}

int Outlet::waits_for() const { return closed_ || waiting_.empty() ? -1 : descriptor_; }

bool Outlet::ready(int wait_milliseconds) const {
  pollfd wait{descriptor_, POLLOUT, 0};
  return poll(&wait, 1, wait_milliseconds) == 1;
}

void Outlet::write_some() {
  while (waits_for() >= 0 && ready(0)) {
    // No more than this is sure to fit when poll() says that something does.
    const std::size_t size = std::min<std::size_t>(waiting_.size(), PIPE_BUF);
    const ssize_t written = write(descriptor_, waiting_.data(), size);
    if (written < 0 && errno != EINTR && errno != EAGAIN) closed_ = errno == EPIPE || errno == EIO;
    if (written < 0 && errno != EINTR) {
      // A full disk behind a redirection: the text is gone, the next one may fit.
      if (!closed_ && errno != EAGAIN) waiting_.clear();
      return;
    }
    if (written > 0) waiting_.erase(0, static_cast<std::size_t>(written));
    catch_up();
  }
}

void Outlet::catch_up() {
  if (left_out_ == 0 || waiting_.size() > most_waiting_ / 2) return;
  waiting_ += fmt::format("… {} messages were left out here; the log files have them\n",
                          std::exchange(left_out_, 0));
}

void Outlet::flush(Steady::time_point deadline) {
  while (waits_for() >= 0 && Steady::now() < deadline) {
    if (ready(50)) write_some();
  }
}

}  // namespace umbel
