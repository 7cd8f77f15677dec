#include "json_text.hpp"

#include <array>
#include <charconv>
#include <cmath>

#include "utf8.hpp"

namespace umbel::celery {
namespace {

void append_escape(std::string& out, char32_t unit) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += "\\u";
  for (const unsigned shift : {12U, 8U, 4U, 0U}) out += kHex[(unit >> shift) & 0xFU];
}

void append_character(std::string& out, char32_t c) {
  switch (c) {
    case U'"':
      out += "\\\"";
      return;
    case U'\\':
      out += "\\\\";
      return;
    case U'\n':
      out += "\\n";
      return;
    case U'\r':
      out += "\\r";
      return;
    case U'\t':
      out += "\\t";
      return;
    case U'\b':
      out += "\\b";
      return;
    case U'\f':
      out += "\\f";
      return;
    default:
      break;
  }
  if (c < 0x10000) {
    append_escape(out, c);
  } else {
    append_escape(out, 0xD800U + ((c - 0x10000U) >> 10U));
    append_escape(out, 0xDC00U + ((c - 0x10000U) & 0x3FFU));
  }
}

bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x7F && c != '"' && c != '\\';
}

template <class Integer>
void append_digits(std::string& out, Integer value) {
  std::array<char, 24> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  out.append(buffer.data(), end);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && is_plain(text[end])) ++end;
    out.append(text.substr(i, end - i));
    if (end == text.size()) break;
    const CodePoint c = code_point_at(text, end);
    append_character(out, c.length == 0 ? U'\uFFFD' : c.value);
    i = end + (c.length == 0 ? 1 : c.length);
  }
  out += '"';
}

void append_float(std::string& out, double value) {
  const double magnitude = std::abs(value);
  const bool fixed = value == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  std::array<char, 48> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 fixed ? std::chars_format::fixed : std::chars_format::scientific)
                       .ptr;
  const std::string_view digits{buffer.data(), static_cast<std::size_t>(end - buffer.data())};
  out += digits;
  if (fixed && digits.find('.') == std::string_view::npos) out += ".0";
}

void append_integer(std::string& out, std::int64_t value) { append_digits(out, value); }
void append_integer(std::string& out, std::uint64_t value) { append_digits(out, value); }

}  // namespace umbel::celery
