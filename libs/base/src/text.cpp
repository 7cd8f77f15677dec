#include "umbel/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

namespace umbel {
namespace {

// Length of the UTF-8 sequence that starts at text[i], or 0 if there is none (RFC 3629, table 3-7
// of Unicode).
std::size_t utf8_length(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t k) {
    return k < text.size() ? static_cast<unsigned char>(text[k]) : 0U;
  };
  const auto continues = [&](std::size_t k, unsigned low = 0x80, unsigned high = 0xBF) {
    return byte(k) >= low && byte(k) <= high;
  };
  const unsigned lead = byte(i);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(i + 1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;
    return continues(i + 1, low, high) && continues(i + 2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
    return continues(i + 1, low, high) && continues(i + 2) && continues(i + 3) ? 4 : 0;
  }
  return 0;
}

constexpr std::string_view kSchemeEnd = "://";

// Values of options that hold a password: by their name, or as a URL with a login in it.
std::string without_secret_options(std::string_view url) {
  std::string out;
  while (!url.empty()) {
    const auto begin = std::min(url.find_first_of("?&"), url.size() - 1) + 1;
    out += url.substr(0, begin);
    url.remove_prefix(begin);
    const auto end = std::min(url.find_first_of("&;"), url.size());
    const auto equals = url.substr(0, end).find('=');
    if (equals == std::string_view::npos) continue;
    const auto value = url.substr(equals + 1, end - equals - 1);
    const bool secret =
        url.substr(0, equals).ends_with("password") || value.find("%40") != std::string_view::npos;
    out += url.substr(0, equals + 1);
    out += secret ? "**" : value;
    url.remove_prefix(end);
  }
  return out;
}

// Of each address in it: a list of hosts, an option that is a URL. A password may hold a `/` that
// ought to be escaped: all up to the last `@` goes.
std::string without_logins(std::string_view url) {
  std::string out;
  for (;;) {
    const auto scheme = url.find(kSchemeEnd);
    if (scheme == std::string_view::npos) return out += url;
    out += url.substr(0, scheme + kSchemeEnd.size());
    url.remove_prefix(scheme + kSchemeEnd.size());
    const auto address = url.substr(0, url.find(kSchemeEnd));
    const auto at = address.rfind('@');
    const auto colon = address.find(':');
    if (at == std::string_view::npos || colon > std::min(at, address.find_first_of("/?#"))) {
      continue;
    }
    out += address.substr(0, colon);
    out += ":**";
    url.remove_prefix(at);
  }
}

// Reads exactly `digits` digits at `text`, moving past them.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  const auto* end = text.data() + digits;
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || text[0] == '-') return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text[0] != c) return false;
  text.remove_prefix(1);
  return true;
}

// Python's datetime, and four digits, end with these years.
std::optional<WallTime> writable(WallTime time) {
  using namespace std::chrono;
  const auto year = year_month_day{floor<days>(time)}.year();
  if (year < std::chrono::year{1} || year > std::chrono::year{9999}) return std::nullopt;
  return time;
}

}  // namespace

std::string json_quoted(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text, i);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      ++i;
      continue;
    }
    const char c = text[i];
    if (length > 1) {
      out.append(text.substr(i, length));
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
    i += length;
  }
  out += '"';
  return out;
}

std::string without_password(std::string_view url) {
  if (url.find(kSchemeEnd) == std::string_view::npos) return std::string{url};
  return without_logins(without_secret_options(url));
}

std::string iso8601(WallTime time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}+00:00", int{date.year()},
                     unsigned{date.month()}, unsigned{date.day()}, clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

std::optional<WallTime> parse_iso8601(std::string_view text) {
  using namespace std::chrono;
  const auto year_number = take_number(text, 4);
  if (!year_number || !take(text, '-')) return std::nullopt;
  const auto month_number = take_number(text, 2);
  if (!month_number || !take(text, '-')) return std::nullopt;
  const auto day_number = take_number(text, 2);
  if (!day_number) return std::nullopt;
  const year_month_day date{year{*year_number}, month{static_cast<unsigned>(*month_number)},
                            day{static_cast<unsigned>(*day_number)}};
  if (!date.ok()) return std::nullopt;
  WallTime time{sys_days{date}};
  if (text.empty()) return writable(time);
  if (!take(text, 'T') && !take(text, ' ')) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || *hour > 23 || !take(text, ':')) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || *minute > 59) return std::nullopt;
  time += hours{*hour} + minutes{*minute};
  if (take(text, ':')) {
    const auto second = take_number(text, 2);
    if (!second || *second > 60) return std::nullopt;
    time += seconds{*second};
    if (take(text, '.')) {
      std::int64_t micros = 0;
      std::size_t digits = 0;
      while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
        if (digits < 6) micros = micros * 10 + (text[0] - '0');
        ++digits;
        text.remove_prefix(1);
      }
      if (digits == 0) return std::nullopt;
      for (; digits < 6; ++digits) micros *= 10;
      time += microseconds{micros};
    }
  }
  if (text.empty() || text == "Z") return writable(time);
  const bool west = text[0] == '-';
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  const auto offset_hours = take_number(text, 2);
  if (!offset_hours || *offset_hours > 23) return std::nullopt;
  take(text, ':');
  const auto offset_minutes = text.empty() ? std::optional{0} : take_number(text, 2);
  if (!offset_minutes || *offset_minutes > 59 || !text.empty()) return std::nullopt;
  const auto offset = hours{*offset_hours} + minutes{*offset_minutes};
  return writable(west ? time + offset : time - offset);
}

std::string spoken(std::chrono::microseconds duration) {
  const double seconds = static_cast<double>(duration.count()) / 1e6;
  if (seconds < 0) return "-" + spoken(-duration);
  if (seconds < 0.001) return fmt::format("{} µs", duration.count());
  if (seconds < 0.9995) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = std::llround(seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  const auto pair = [](long long big, const char* unit, long long small, const char* part) {
    return small == 0 ? fmt::format("{} {}", big, unit)
                      : fmt::format("{} {} {} {}", big, unit, small, part);
  };
  if (whole < 3600) return pair(whole / 60, "min", whole % 60, "s");
  if (whole < 86400) return pair(whole / 3600, "h", whole % 3600 / 60, "min");
  return pair(whole / 86400, "d", whole % 86400 / 3600, "h");
}

std::string shortened(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string{text};
  std::size_t end = limit > 3 ? limit - 3 : 0;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return std::string{text.substr(0, end)} + "...";
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates) {
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t swapped = diagonal + (word[i - 1] == candidate[j - 1] ? 0U : 1U);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, swapped});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace umbel
