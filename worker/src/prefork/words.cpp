#include "words.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace umbel::prefork {

Result<Frame> Words::hear() {
  std::array<char, 65'536> buffer;
  for (;;) {
    auto frame = reader_.next();
    if (!frame) return frame.error();
    if (*frame) return std::move(**frame);
    const auto got = recv(descriptor_, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Error{Errc::Cancelled, "the worker hung up"};
    reader_.feed({buffer.data(), static_cast<std::size_t>(got)});
  }
}

Result<void> Words::say(std::span<const Frame> frames) {
  std::string bytes;
  for (const auto& frame : frames) {
    auto one = encode(frame);
    if (!one) return one.error();
    bytes = bytes.empty() ? std::move(*one) : bytes + *one;
  }
  std::string_view left = bytes;
  while (!left.empty()) {
    const auto sent = send(descriptor_, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return Error{Errc::Cancelled, "the worker hung up"};
    left.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

}  // namespace umbel::prefork
