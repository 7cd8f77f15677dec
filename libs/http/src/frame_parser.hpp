// The receiving half of a WebSocket: bytes in, messages out, everything bounded (RFC 6455). Pure.
//
// A client of ours has little to say, so that whatever is long, malformed, unmasked, compressed or
// binary is a reason to end the connection; the parser names the close code and the words for it,
// and takes nothing more.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace umbel::http {

inline constexpr std::uint16_t kCloseNormal = 1000, kCloseGoingAway = 1001, kCloseProtocol = 1002,
                               kCloseUnsupported = 1003, kCloseNotUtf8 = 1007, kClosePolicy = 1008,
                               kCloseTooLong = 1009, kCloseInternal = 1011;

struct WebSocketEnd {
  std::uint16_t code = kCloseNormal;
  std::string reason;      // empty: the client said goodbye
  bool by_client = false;  // it sent a close frame
};

class FrameParser {
 public:
  struct Sink {  // called while feeding
    std::function<void(std::string_view message)> text;
    std::function<void(std::string_view payload)> ping;
  };

  explicit FrameParser(std::size_t max_message) : max_message_{max_message} {}

  // An answer ends the connection: nothing that is fed later is looked at.
  [[nodiscard]] std::optional<WebSocketEnd> feed(std::string_view bytes, const Sink& sink);
  // Frames begun so far: what a rate can be put on.
  [[nodiscard]] std::uint64_t frames() const { return frames_; }
  // Held now; never above the bound on messages and a frame's head.
  [[nodiscard]] std::size_t buffered() const { return message_.size() + control_.size(); }

 private:
  [[nodiscard]] std::optional<WebSocketEnd> head();  // once head_ is complete
  [[nodiscard]] std::size_t head_size() const;
  [[nodiscard]] std::optional<WebSocketEnd> whole_frame(const Sink& sink);
  [[nodiscard]] bool is_control() const { return (head_[0] & 0x08U) != 0; }

  const std::size_t max_message_;
  std::array<unsigned char, 14> head_{};
  std::size_t head_have_ = 0;
  bool in_payload_ = false;
  std::uint64_t payload_left_ = 0;
  std::size_t masked_ = 0;   // payload bytes of this frame that were unmasked so far
  bool in_message_ = false;  // a fragmented text is under way
  std::string message_, control_;
  std::uint64_t frames_ = 0;
  bool over_ = false;
};

// Text as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace umbel::http
