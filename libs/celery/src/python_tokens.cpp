#include "python_tokens.hpp"

#include <charconv>
#include <cstdlib>

namespace umbel::celery {
namespace {

// The UTF-16 unit that the escape at text[i] (a backslash) spells, if it is a \uXXXX.
std::optional<unsigned> unit_at(std::string_view text, std::size_t i) {
  if (i + 6 > text.size() || text[i] != '\\' || text[i + 1] != 'u') return std::nullopt;
  unsigned unit = 0;
  const char* const end = text.data() + i + 6;
  const auto [stop, error] = std::from_chars(text.data() + i + 2, end, unit, 16);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return unit;
}

bool is_high(unsigned unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool is_low(unsigned unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

class Rewriter {
 public:
  Rewriter(std::string_view text, LoneSurrogates surrogates)
      : source_{text}, surrogates_{surrogates} {}

  std::optional<RewrittenText> run() {
    bool inside = false;
    for (std::size_t i = 0; i < source_.size();) {
      if (inside && source_[i] == '\\') {
        i += escape(i);
      } else if (source_[i] == '"') {
        inside = !inside;
        ++i;
      } else {
        i += inside ? 1 : outside(i);
      }
    }
    if (!changed_) return std::nullopt;
    return std::move(out_);
  }

 private:
  // Each answers how many bytes it has dealt with.
  std::size_t outside(std::size_t i) {
    if (stands_alone(i, "NaN")) {
      put(i, "0.0");
      out_.nans.push_back(i);
      return 3;
    }
    if (stands_alone(i, "-Infinity")) {
      put(i, "-1e999999");
      return 9;
    }
    if (stands_alone(i, "Infinity")) {
      put(i, "1e999999");
      return 8;
    }
    return 1;
  }

  // Whether `token` stands at `i` as a value of its own: `1NaN` must not become a number.
  [[nodiscard]] bool stands_alone(std::size_t i, std::string_view token) const {
    if (!source_.substr(i).starts_with(token)) return false;
    const std::size_t end = i + token.size();
    const auto is_one_of = [&](std::size_t at, std::string_view allowed) {
      return allowed.find(source_[at]) != std::string_view::npos;
    };
    return (i == 0 || is_one_of(i - 1, " \t\r\n[,:")) &&
           (end == source_.size() || is_one_of(end, " \t\r\n],}"));
  }

  std::size_t escape(std::size_t i) {
    const auto unit = unit_at(source_, i);
    if (!unit) return 2;
    if (is_high(*unit)) {
      const auto next = unit_at(source_, i + 6);
      if (next && is_low(*next)) return 12;
    }
    if (surrogates_ == LoneSurrogates::Replace && (is_high(*unit) || is_low(*unit))) {
      put(i, "\\ufffd");
    }
    return 6;
  }

  void put(std::size_t i, std::string_view replacement) {
    if (!changed_) out_.text = source_;
    changed_ = true;
    out_.text.replace(i, replacement.size(), replacement);
  }

  std::string_view source_;
  LoneSurrogates surrogates_;
  RewrittenText out_;
  bool changed_ = false;
};

}  // namespace

std::optional<RewrittenText> rewrite_python_tokens(std::string_view text,
                                                   LoneSurrogates surrogates) {
  return Rewriter{text, surrogates}.run();
}

double exact_double(std::string_view raw) {
  double value = 0;
  const auto [stop, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (error == std::errc::result_out_of_range)
    return std::strtod(std::string{raw}.c_str(), nullptr);
  return value;
}

}  // namespace umbel::celery
