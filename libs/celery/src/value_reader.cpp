#include "value_reader.hpp"

#include <boost/json/value_stack.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>

#include "json_reader.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;

// What basic_parser calls; the names and signatures are its own.
class ValueHandler {
 public:
  using Text = json::string_view;
  using Code = json::error_code;
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

  void begin(std::string_view text, std::span<const std::size_t> nans) {
    stack_.reset();
    text_ = text;
    nans_ = nans;
  }
  json::value release() { return stack_.release(); }

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return true; }
  bool on_object_end(std::size_t count, Code&) {
    stack_.push_object(count);
    return true;
  }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t count, Code&) {
    stack_.push_array(count);
    return true;
  }
  bool on_key_part(Text part, std::size_t, Code&) {
    stack_.push_chars(part);
    return true;
  }
  bool on_key(Text rest, std::size_t, Code&) {
    stack_.push_key(rest);
    return true;
  }
  bool on_string_part(Text part, std::size_t, Code&) {
    stack_.push_chars(part);
    return true;
  }
  bool on_string(Text rest, std::size_t, Code&) {
    stack_.push_string(rest);
    return true;
  }
  bool on_number_part(Text, Code&) { return true; }
  bool on_int64(std::int64_t number, Text, Code&) {
    stack_.push_int64(number);
    return true;
  }
  bool on_uint64(std::uint64_t number, Text, Code&) {
    stack_.push_uint64(number);
    return true;
  }
  bool on_double(double, Text raw, Code&) {
    const auto at = static_cast<std::size_t>(raw.data() - text_.data());
    if (!nans_.empty() && nans_.front() == at) {
      nans_ = nans_.subspan(1);
      stack_.push_double(std::numeric_limits<double>::quiet_NaN());
    } else {
      stack_.push_double(exact_double({raw.data(), raw.size()}));
    }
    return true;
  }
  bool on_bool(bool value, Code&) {
    stack_.push_bool(value);
    return true;
  }
  bool on_null(Code&) {
    stack_.push_null();
    return true;
  }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }

 private:
  json::value_stack stack_;
  std::string_view text_;
  std::span<const std::size_t> nans_;
};

// `0123…` (32 hex digits, dashes ignored) as 8-4-4-4-12; nothing if it is no UUID.
std::optional<std::string> dashed_uuid(std::string_view hex) {
  std::string out;
  for (const char c : hex) {
    if (c == '-') continue;
    const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (!digit || out.size() == 36) return std::nullopt;
    out += c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    if (out.size() == 8 || out.size() == 13 || out.size() == 18 || out.size() == 23) out += '-';
  }
  if (out.size() != 36) return std::nullopt;
  return out;
}

// What a typed value stands for, if `object` is one of a type that we know.
std::optional<json::string> text_of_typed(const json::object& object) {
  if (object.size() != 2) return std::nullopt;
  const json::value* const type = object.if_contains("__type__");
  const json::value* const value = object.if_contains("__value__");
  if (type == nullptr || value == nullptr || !type->is_string()) return std::nullopt;
  const json::string& name = type->get_string();
  if (name == "uuid") {
    const json::object* const parts = value->if_object();
    const json::value* const hex = parts != nullptr ? parts->if_contains("hex") : nullptr;
    if (hex == nullptr || parts->size() != 1 || !hex->is_string()) return std::nullopt;
    const auto text = dashed_uuid({hex->get_string().data(), hex->get_string().size()});
    return text ? std::optional<json::string>{*text} : std::nullopt;
  }
  for (const char* const known : {"datetime", "date", "time", "decimal", "bytes", "base64"}) {
    if (name == known && value->is_string()) return value->get_string();
  }
  return std::nullopt;
}

}  // namespace

Result<json::value> parse_plain_json(std::string_view text) {
  json::basic_parser<ValueHandler> parser{json_options()};
  if (const auto fault = parse_text(parser, text, LoneSurrogates::Keep)) {
    return json_error(text, *fault);
  }
  return parser.handler().release();
}

void unwrap_typed_values(json::value& value) {
  if (json::array* const array = value.if_array()) {
    for (json::value& element : *array) unwrap_typed_values(element);
  } else if (json::object* const object = value.if_object()) {
    for (auto& member : *object) unwrap_typed_values(member.value());
    if (auto text = text_of_typed(*object)) value = std::move(*text);
  }
}

}  // namespace umbel::celery
