#include "python_text.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>

namespace umbel::collector {
namespace {

namespace json = boost::json;

constexpr int kDeepest = 50;

void add_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0U | code >> 6U);
    put(0x80U | (code & 0x3FU));
  } else if (code < 0x1'0000) {
    put(0xE0U | code >> 12U);
    put(0x80U | (code >> 6U & 0x3FU));
    put(0x80U | (code & 0x3FU));
  } else {
    put(0xF0U | code >> 18U);
    put(0x80U | (code >> 12U & 0x3FU));
    put(0x80U | (code >> 6U & 0x3FU));
    put(0x80U | (code & 0x3FU));
  }
}

// Answers false, or nothing, at the first thing that is not understood.
class Reader {
 public:
  explicit Reader(std::string_view text) : left_{text} {}

  std::optional<json::value> whole() {
    auto read = value(0);
    skip();
    if (!left_.empty()) return std::nullopt;
    return read;
  }

 private:
  void skip() {
    while (!left_.empty() && (left_.front() == ' ' || left_.front() == '\n'))
      left_.remove_prefix(1);
  }
  bool take(std::string_view what) {
    skip();
    if (!left_.starts_with(what)) return false;
    left_.remove_prefix(what.size());
    return true;
  }
  bool take_word(std::string_view what) {
    skip();
    const bool longer = left_.size() > what.size() &&
                        std::isalnum(static_cast<unsigned char>(left_[what.size()])) != 0;
    return !longer && take(what);
  }

  std::optional<json::value> value(int depth) {
    skip();
    if (depth > kDeepest || left_.empty()) return std::nullopt;
    const char first = left_.front();
    if (first == '\'' || first == '"') return text();
    if (first == '(') return sequence('(', ')', depth);
    if (first == '[') return sequence('[', ']', depth);
    if (first == '{') return dict(depth);
    if (take_word("None")) return json::value(nullptr);
    if (take_word("True")) return json::value(true);
    if (take_word("False")) return json::value(false);
    return number();
  }

  std::optional<json::value> number() {
    const auto end = left_.find_first_not_of("+-0123456789.eE");
    const auto word = left_.substr(0, end);
    if (word.empty() || word.front() == '+') return std::nullopt;
    const char* const stop = word.data() + word.size();
    std::int64_t whole = 0;
    const auto as_whole = std::from_chars(word.data(), stop, whole);
    left_.remove_prefix(word.size());
    if (as_whole.ec == std::errc{} && as_whole.ptr == stop) return json::value(whole);
    // A longer integer would lose digits as a double.
    if (word.find_first_of(".eE") == std::string_view::npos) return std::nullopt;
    double real = 0;
    const auto as_real = std::from_chars(word.data(), stop, real);
    if (as_real.ec != std::errc{} || as_real.ptr != stop || !std::isfinite(real))
      return std::nullopt;
    return json::value(real);
  }

  std::optional<std::uint32_t> hex(std::size_t digits) {
    if (left_.size() < digits) return std::nullopt;
    std::uint32_t code = 0;
    const auto [end, fault] = std::from_chars(left_.data(), left_.data() + digits, code, 16);
    if (fault != std::errc{} || end != left_.data() + digits) return std::nullopt;
    left_.remove_prefix(digits);
    if (code > 0x10'FFFF || (code >= 0xD800 && code < 0xE000)) return std::nullopt;
    return code;
  }

  bool escape(std::string& out) {
    if (left_.empty()) return false;
    const char kind = left_.front();
    left_.remove_prefix(1);
    const auto coded = [&](std::size_t digits) {
      const auto code = hex(digits);
      if (code) add_utf8(out, *code);
      return code.has_value();
    };
    switch (kind) {
      case 'n':
        out += '\n';
        return true;
      case 't':
        out += '\t';
        return true;
      case 'r':
        out += '\r';
        return true;
      case '\\':
      case '\'':
      case '"':
        out += kind;
        return true;
      case 'x':
        return coded(2);
      case 'u':
        return coded(4);
      case 'U':
        return coded(8);
      default:
        return false;
    }
  }

  std::optional<json::value> text() {
    const char quote = left_.front();
    left_.remove_prefix(1);
    std::string out;
    while (!left_.empty() && left_.front() != quote) {
      const char c = left_.front();
      left_.remove_prefix(1);
      if (c != '\\') {
        out += c;
      } else if (!escape(out)) {
        return std::nullopt;
      }
    }
    if (left_.empty()) return std::nullopt;
    left_.remove_prefix(1);
    return json::value(out);
  }

  std::optional<json::value> sequence(char open, char close, int depth) {
    left_.remove_prefix(1);
    json::array items;
    const std::string_view end{&close, 1};
    bool comma = false;
    while (!take(end)) {
      if (!items.empty() && !comma) return std::nullopt;
      auto item = value(depth + 1);
      if (!item) return std::nullopt;
      items.push_back(std::move(*item));
      comma = take(",");
    }
    // `(1)` is no tuple, but a number in brackets.
    if (open == '(' && items.size() == 1 && !comma) return std::nullopt;
    return items;
  }

  std::optional<json::value> dict(int depth) {
    left_.remove_prefix(1);
    json::object items;
    bool comma = false;
    while (!take("}")) {
      if (!items.empty() && !comma) return std::nullopt;
      skip();
      if (left_.empty() || (left_.front() != '\'' && left_.front() != '"')) return std::nullopt;
      auto key = text();
      if (!key || !take(":")) return std::nullopt;
      auto item = value(depth + 1);
      if (!item) return std::nullopt;
      items[key->get_string()] = std::move(*item);
      comma = take(",");
    }
    return items;
  }

  std::string_view left_;
};

}  // namespace

std::optional<json::value> from_python_text(std::string_view text) { return Reader{text}.whole(); }

}  // namespace umbel::collector
