#include "frame_parser.hpp"

#include <algorithm>

namespace umbel::http {
namespace {

constexpr unsigned kContinuation = 0, kText = 1, kClose = 8, kPing = 9, kPong = 10;
constexpr std::size_t kLongestControl = 125;

WebSocketEnd violation(std::string reason) { return {kCloseProtocol, std::move(reason), false}; }

// RFC 6455, 7.4: what a peer may say in a close frame.
bool is_close_code(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

WebSocketEnd goodbye(std::string_view payload) {
  if (payload.empty()) return {kCloseNormal, "", true};
  if (payload.size() == 1) return violation("a close frame with half a code");
  const unsigned code =
      static_cast<unsigned char>(payload[0]) * 256U + static_cast<unsigned char>(payload[1]);
  if (!is_close_code(code)) return violation("a close code that may not be sent");
  if (!is_utf8(payload.substr(2))) return violation("a close reason that is not UTF-8");
  return {static_cast<std::uint16_t>(code), "", true};
}

// How many bytes follow this first one, and the bounds of the second; 4: it begins nothing.
struct Lead {
  std::size_t more = 4;
  unsigned char least = 0x80, most = 0xBF;
};

Lead lead_of(unsigned char c) {
  if (c < 0x80) return {0};
  if (c >= 0xC2 && c <= 0xDF) return {1};
  if (c == 0xE0) return {2, 0xA0, 0xBF};
  if (c == 0xED) return {2, 0x80, 0x9F};
  if (c >= 0xE1 && c <= 0xEF) return {2};
  if (c == 0xF0) return {3, 0x90, 0xBF};
  if (c >= 0xF1 && c <= 0xF3) return {3};
  if (c == 0xF4) return {3, 0x80, 0x8F};
  return {};
}

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const Lead lead = lead_of(static_cast<unsigned char>(text[i]));
    if (lead.more > 3 || lead.more > text.size() - i - 1) return false;
    for (std::size_t more = 0; more < lead.more; ++more) {
      const auto next = static_cast<unsigned char>(text[++i]);
      const bool second = more == 0;
      if (next < (second ? lead.least : 0x80) || next > (second ? lead.most : 0xBF)) return false;
    }
  }
  return true;
}

std::size_t FrameParser::head_size() const {
  if (head_have_ < 2) return 2;
  const unsigned length = head_[1] & 0x7FU;
  return 6U + (length == 126 ? 2U : length == 127 ? 8U : 0U);  // masked: checked at once
}

std::optional<WebSocketEnd> FrameParser::head() {
  const unsigned opcode = head_[0] & 0x0FU;
  const bool last = (head_[0] & 0x80U) != 0;
  std::uint64_t length = head_[1] & 0x7FU;
  if (length >= 126) {
    const std::size_t bytes = length == 126 ? 2 : 8;
    length = 0;
    for (std::size_t i = 0; i < bytes; ++i) length = length << 8U | head_[2 + i];
  }
  if (is_control()) {
    if (!last) return violation("a control frame in pieces");
    if (length > kLongestControl) return violation("a control frame over 125 bytes");
    if (opcode != kClose && opcode != kPing && opcode != kPong) {
      return violation("an unknown kind of frame");
    }
  } else if (opcode == kContinuation) {
    if (!in_message_) return violation("a continuation of nothing");
  } else if (opcode == kText) {
    if (in_message_) return violation("a new message within another");
  } else if (opcode == 2) {
    return WebSocketEnd{kCloseUnsupported, "binary messages are not taken here", false};
  } else {
    return violation("an unknown kind of frame");
  }
  if (!is_control() && length > max_message_ - message_.size()) {
    return WebSocketEnd{kCloseTooLong, "a message over " + std::to_string(max_message_) + " bytes",
                        false};
  }
  payload_left_ = length;
  masked_ = 0;
  in_payload_ = true;
  ++frames_;
  return std::nullopt;
}

std::optional<WebSocketEnd> FrameParser::whole_frame(const Sink& sink) {
  const unsigned opcode = head_[0] & 0x0FU;
  const bool last = (head_[0] & 0x80U) != 0;
  head_have_ = 0;
  in_payload_ = false;
  if (opcode == kClose) return goodbye(control_);
  if (opcode == kPing && sink.ping) sink.ping(control_);
  if (opcode == kPing || opcode == kPong) {
    control_.clear();
    return std::nullopt;
  }
  in_message_ = !last;
  if (!last) return std::nullopt;
  if (!is_utf8(message_)) return WebSocketEnd{kCloseNotUtf8, "a text that is not UTF-8", false};
  if (sink.text) sink.text(message_);
  message_.clear();
  if (message_.capacity() > 4096) message_.shrink_to_fit();
  return std::nullopt;
}

std::optional<WebSocketEnd> FrameParser::feed(std::string_view bytes, const Sink& sink) {
  const auto end = [this](std::optional<WebSocketEnd> why) {
    over_ = true;
    message_ = {};
    control_ = {};
    return why;
  };
  while (!over_ && (!bytes.empty() || (in_payload_ && payload_left_ == 0))) {
    if (!in_payload_) {
      head_[head_have_++] = static_cast<unsigned char>(bytes.front());
      bytes.remove_prefix(1);
      if (head_have_ == 1 && (head_[0] & 0x70U) != 0) {
        return end(violation("a compressed or reserved frame; no extension was agreed on"));
      }
      if (head_have_ == 2 && (head_[1] & 0x80U) == 0) {
        return end(violation("a frame without a mask"));
      }
      if (head_have_ < head_size()) continue;
      if (auto why = head()) return end(std::move(why));
      continue;
    }
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(payload_left_, bytes.size()));
    std::string& into = is_control() ? control_ : message_;
    const unsigned char* const mask = head_.data() + head_size() - 4;
    for (std::size_t i = 0; i < size; ++i) {
      into.push_back(
          static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ mask[masked_++ & 3U]));
    }
    bytes.remove_prefix(size);
    payload_left_ -= size;
    if (payload_left_ > 0) continue;
    if (auto why = whole_frame(sink)) return end(std::move(why));
  }
  return std::nullopt;
}

}  // namespace umbel::http
