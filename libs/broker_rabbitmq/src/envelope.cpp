#include "envelope.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "field_table.hpp"

namespace umbel::broker_rabbitmq {
namespace {

constexpr std::string_view kMark = "umbel:";
constexpr std::size_t kShortText = 255;
// All properties of a message travel in one frame, of 128 KiB by default; the others take little.
constexpr std::size_t kMostHeaders = 128'000;
constexpr std::size_t kSurelyFits = 32 * 1024;  // as JSON: the table is at most 2.5 times as long
constexpr std::uint8_t kTransient = 1, kPersistent = 2;

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::uint64_t whole_seconds(WallTime time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(to_micros(time), 0) /
                                    std::int64_t{1'000'000});
}

Result<void> check_short(const char* what, const std::string& text) {
  if (text.size() <= kShortText) return {};
  return invalid(fmt::format("message: its {} has {} bytes; AMQP carries at most {}", what,
                             text.size(), kShortText));
}

// A server would close the whole connection over it, in the middle of the message.
Result<void> check_headers(const std::string& text, amqp_table_t table) {
  if (text.size() <= kSurelyFits) return {};
  std::vector<char> room(kMostHeaders);
  std::size_t written = 0;
  if (amqp_encode_table({room.size(), room.data()}, &table, &written) == AMQP_STATUS_OK) return {};
  return invalid(
      fmt::format("message: its headers, {} bytes as JSON, take more than the {} bytes "
                  "that AMQP carries",
                  text.size(), kMostHeaders));
}

}  // namespace

std::string marks_text(const Marks& marks) {
  std::string text{kMark};
  const auto add = [&text](char name, const std::optional<WallTime>& time) {
    if (!time) return;
    fmt::format_to(std::back_inserter(text), "{}{}={}", text.back() == ':' ? "" : ";", name,
                   to_micros(*time));
  };
  add('p', marks.published);
  add('e', marks.expires);
  add('n', marks.not_before);
  return text;
}

Marks read_marks(std::string_view text) {
  Marks marks;
  if (!text.starts_with(kMark)) return marks;
  text.remove_prefix(kMark.size());
  while (!text.empty()) {
    const auto end = std::min(text.find(';'), text.size());
    const auto mark = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (mark.size() < 3 || mark[1] != '=') continue;
    const auto micros = number(mark.substr(2));
    if (!micros) continue;
    if (mark[0] == 'p') marks.published = from_micros(*micros);
    if (mark[0] == 'e') marks.expires = from_micros(*micros);
    if (mark[0] == 'n') marks.not_before = from_micros(*micros);
  }
  return marks;
}

Result<std::unique_ptr<Outgoing>> Outgoing::of(const Message& message, const Marks& marks,
                                               bool durable) {
  if (message.priority < 0 || message.priority > 255) {
    return invalid(fmt::format("message: priority {} is not 0 to 255", message.priority));
  }
  for (const auto& [what, text] : {std::pair{"content type", &message.content_type},
                                   std::pair{"content encoding", &message.content_encoding},
                                   std::pair{"correlation id", &message.correlation_id},
                                   std::pair{"reply_to", &message.reply_to}}) {
    if (const auto fits = check_short(what, *text); !fits) return fits.error();
  }
  auto out = std::make_unique<Outgoing>();
  auto& p = out->properties_;
  const auto set = [&p](amqp_flags_t flag, amqp_bytes_t& field, std::string& kept,
                        const std::string& text) {
    if (text.empty()) return;
    kept = text;
    field = bytes_of(kept);
    p._flags |= flag;
  };
  set(AMQP_BASIC_CONTENT_TYPE_FLAG, p.content_type, out->content_type_, message.content_type);
  set(AMQP_BASIC_CONTENT_ENCODING_FLAG, p.content_encoding, out->content_encoding_,
      message.content_encoding);
  set(AMQP_BASIC_CORRELATION_ID_FLAG, p.correlation_id, out->correlation_id_,
      message.correlation_id);
  set(AMQP_BASIC_REPLY_TO_FLAG, p.reply_to, out->reply_to_, message.reply_to);
  if (!message.headers.empty()) {
    const auto table = to_table(message.headers, out->memory_);
    if (!table) return table.error();
    if (const auto fits = check_headers(message.headers, *table); !fits) return fits.error();
    p.headers = *table;
    p._flags |= AMQP_BASIC_HEADERS_FLAG;
  }
  p.delivery_mode = durable ? kPersistent : kTransient;
  p.priority = static_cast<std::uint8_t>(message.priority);
  p._flags |= AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_PRIORITY_FLAG;
  if (marks != Marks{}) {
    out->message_id_ = marks_text(marks);
    p.message_id = bytes_of(out->message_id_);
    p._flags |= AMQP_BASIC_MESSAGE_ID_FLAG;
  }
  if (marks.published) {
    p.timestamp = whole_seconds(*marks.published);
    p._flags |= AMQP_BASIC_TIMESTAMP_FLAG;
  }
  out->body_ = message.body;
  return out;
}

std::unique_ptr<Outgoing> Outgoing::event(std::string_view body, const std::string& node,
                                          WallTime now) {
  auto out = std::make_unique<Outgoing>();
  auto& p = out->properties_;
  out->content_type_ = "application/json";
  out->content_encoding_ = "utf-8";
  out->message_id_ = marks_text({.published = now, .expires = {}, .not_before = {}});
  p.content_type = bytes_of(out->content_type_);
  p.content_encoding = bytes_of(out->content_encoding_);
  p.message_id = bytes_of(out->message_id_);
  p.delivery_mode = kTransient;
  p.priority = 0;
  p._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_CONTENT_ENCODING_FLAG |
             AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_PRIORITY_FLAG |
             AMQP_BASIC_HEADERS_FLAG;
  if (!node.empty()) {
    auto* entry = static_cast<amqp_table_entry_t*>(
        out->memory_.allocate(sizeof(amqp_table_entry_t), alignof(amqp_table_entry_t)));
    out->correlation_id_ = node;  // only keeps the text: the property is not sent
    *entry = text_field("hostname", out->correlation_id_.c_str());
    p.headers = {1, entry};
  }
  out->body_ = body;
  return out;
}

Incoming read_properties(const amqp_basic_properties_t& p, WallTime now) {
  Incoming in;
  const auto has = [&p](amqp_flags_t flag) { return (p._flags & flag) != 0; };
  auto& message = in.message;
  if (has(AMQP_BASIC_MESSAGE_ID_FLAG)) in.marks = read_marks(view(p.message_id));
  if (has(AMQP_BASIC_CONTENT_TYPE_FLAG)) message.content_type = view(p.content_type);
  if (has(AMQP_BASIC_CONTENT_ENCODING_FLAG)) message.content_encoding = view(p.content_encoding);
  if (has(AMQP_BASIC_HEADERS_FLAG)) {
    message.headers = to_json(p.headers, in.marks.not_before.has_value());
  }
  if (has(AMQP_BASIC_CORRELATION_ID_FLAG)) message.correlation_id = view(p.correlation_id);
  if (has(AMQP_BASIC_REPLY_TO_FLAG)) message.reply_to = view(p.reply_to);
  if (has(AMQP_BASIC_PRIORITY_FLAG)) message.priority = p.priority;
  if (in.marks.expires) {
    message.expires = in.marks.expires;
  } else if (has(AMQP_BASIC_EXPIRATION_FLAG)) {
    const auto millis = number(view(p.expiration));
    constexpr std::int64_t kCentury = 100LL * 366 * 86'400 * 1000;
    if (millis && *millis >= 0) {
      message.expires = now + std::chrono::milliseconds{std::min(*millis, kCentury)};
    }
  }
  if (has(AMQP_BASIC_TIMESTAMP_FLAG)) {
    constexpr std::uint64_t kYear9999 = 253'402'300'799;
    in.timestamp = from_micros(static_cast<std::int64_t>(std::min(p.timestamp, kYear9999)) *
                               std::int64_t{1'000'000});
  }
  return in;
}

}  // namespace umbel::broker_rabbitmq
