#include "umbel/celery/repr.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "json_text.hpp"
#include "utf8.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;

constexpr int kLevels = 3;  // saferepr's maxlevels: what is nested deeper shows as [...]

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

// At most `limit` characters; cut text ends at its last space and in `...`, as
// celery/utils/text.py: truncate.
std::string truncated(std::string_view text, std::size_t limit) {
  if (text.size() < limit || characters(text) < limit) return std::string{text};
  std::size_t end = 0;
  for (std::size_t seen = 0; end < text.size(); ++end) {
    const bool starts = (static_cast<unsigned char>(text[end]) & 0xC0U) != 0x80U;
    if (starts && seen++ == limit) break;
  }
  std::string_view cut = text.substr(0, end);
  cut = cut.substr(0, cut.rfind(' '));
  return std::string{cut} + "...";
}

// Writes tokens until the limit is used up; then `, ...` once, and of what follows only closing
// brackets.
class Printer {
 public:
  void value(const json::value& value, int level = 0) {
    switch (value.kind()) {
      case json::kind::null:
        token("None");
        return;
      case json::kind::bool_:
        token(value.get_bool() ? "True" : "False");
        return;
      case json::kind::int64:
        number(value.get_int64());
        return;
      case json::kind::uint64:
        number(value.get_uint64());
        return;
      case json::kind::double_:
        number(value.get_double());
        return;
      case json::kind::string:
        text({value.get_string().data(), value.get_string().size()});
        return;
      case json::kind::array:
        if (level >= kLevels) {
          token("[...]");
        } else {
          sequence(value.get_array(), "[", "]", level);
        }
        return;
      case json::kind::object:
        if (level >= kLevels) {
          token("{...}");
        } else {
          mapping(value.get_object(), level);
        }
        return;
    }
  }

  void sequence(const json::array& array, std::string_view open, std::string_view close,
                int level) {
    if (!token(open)) return;
    for (std::size_t i = 0; i < array.size() && !full_; ++i) {
      if (i > 0 && !token(", ")) break;
      value(array[i], level + 1);
    }
    out_ += close;
    used_ += close.size();
  }

  void mapping(const json::object& object, int level) {
    if (!token("{")) return;
    bool first = true;
    for (const auto& member : object) {
      if (full_ || (!first && !token(", "))) break;
      first = false;
      text({member.key().data(), member.key().size()});
      if (full_ || !token(": ")) break;
      value(member.value(), level + 1);
    }
    out_ += '}';
    ++used_;
  }

  std::string take() { return std::move(out_); }

 private:
  bool room() {
    if (full_) return false;
    if (used_ < kReprLimit) return true;
    out_ += ", ...";
    full_ = true;
    return false;
  }

  bool token(std::string_view text) {
    if (!room()) return false;
    out_ += text;
    used_ += text.size();
    return true;
  }

  void text(std::string_view text) {
    if (!room()) return;
    const std::string shown = truncated(text, kReprLimit - used_);
    out_ += '\'';
    for (const char c : shown) {
      if (c == '\'') {
        out_ += '\\';
        ++used_;
      }
      out_ += c;
    }
    out_ += '\'';
    used_ += characters(shown) + 2;
  }

  void number(double value) {
    std::string text;
    if (std::isnan(value)) {
      text = "nan";
    } else if (std::isinf(value)) {
      text = value > 0 ? "inf" : "-inf";
    } else {
      append_float(text, value);
    }
    token(text);
  }

  template <class Integer>
  void number(Integer value) {
    std::string text;
    append_integer(text, value);
    token(text);
  }

  std::string out_;
  std::size_t used_ = 0;  // characters
  bool full_ = false;
};

// Python's repr of a str: the quote that needs no escape, and control characters escaped.
std::string quoted(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out{quote};
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == quote || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\x";
      out += kHex[byte >> 4U];
      out += kHex[byte & 0xFU];
    } else {
      out += c;
    }
  }
  return out += quote;
}

}  // namespace

std::string repr(const json::value& value) {
  Printer printer;
  printer.value(value);
  return printer.take();
}

std::string repr_args(const json::array& args) {
  Printer printer;
  printer.sequence(args, "(", args.size() == 1 ? ",)" : ")", 0);
  return printer.take();
}

std::string repr_kwargs(const json::object& kwargs) {
  Printer printer;
  printer.mapping(kwargs, 0);
  return printer.take();
}

std::string repr_exception(std::string_view type, std::string_view message) {
  std::string out{type};
  out += '(';
  if (!message.empty()) out += truncated(quoted(message), kReprLimit);
  out += ')';
  return out;
}

}  // namespace umbel::celery
