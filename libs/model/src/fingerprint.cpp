#include "umbel/model/fingerprint.hpp"

#include <cstdint>
#include <vector>

namespace umbel {
namespace {

constexpr std::size_t kLongestMessage = 300;
constexpr std::size_t kFrames = 3;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool in_word(char c) {
  return is_digit(c) || is_letter(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

// A word that names one thing among many: it holds a digit and is long, is all hexadecimal, or
// begins with one (`17`, `0x7f3a`, `5e0f…-…`, `12ms`, `t1xk3p`).
bool is_particular(std::string_view word) {
  bool digit = false;
  bool hex = true;
  for (const char c : word) {
    digit = digit || is_digit(c);
    hex = hex && is_hex(c);
  }
  return digit && (hex || is_digit(word.front()) || word.size() >= 6);
}

void mix(std::uint64_t& hash, std::string_view text) {  // FNV-1a
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x0000'0100'0000'01B3U;
  }
  hash ^= 0xFFU;
  hash *= 0x0000'0100'0000'01B3U;
}

// `  File "app/tasks.py", line 12, in fetch` as `app/tasks.py:fetch`; nothing: no such line.
std::optional<std::string> frame_from(std::string_view line) {
  const auto begin = line.find_first_not_of(' ');
  constexpr std::string_view kFile = "File \"";
  if (begin == std::string_view::npos || !line.substr(begin).starts_with(kFile)) return {};
  const auto path = line.substr(begin + kFile.size());
  const auto end = path.find('"');
  if (end == std::string_view::npos) return {};
  constexpr std::string_view kIn = ", in ";
  const auto in = path.find(kIn, end);
  std::string frame{path.substr(0, end)};
  if (in != std::string_view::npos) frame += ":" + std::string{path.substr(in + kIn.size())};
  return frame;
}

std::vector<std::string> frames_of(std::string_view traceback) {
  std::vector<std::string> frames;
  while (!traceback.empty()) {
    const auto end = traceback.find('\n');
    if (auto frame = frame_from(traceback.substr(0, end))) frames.push_back(std::move(*frame));
    if (end == std::string_view::npos) break;
    traceback.remove_prefix(end + 1);
  }
  if (frames.size() > kFrames) frames.erase(frames.begin(), frames.end() - kFrames);
  return frames;
}

}  // namespace

ExceptionText exception_text(std::string_view exception) {
  std::size_t end = 0;
  while (end < exception.size() && (in_word(exception[end]) || exception[end] == '.')) ++end;
  const bool named = end > 0 && !is_digit(exception.front());
  if (named && end == exception.size()) return {.type = std::string{exception}, .message = {}};
  if (named && exception[end] == '(') {
    std::string_view message = exception.substr(end + 1);
    if (message.ends_with(')')) message.remove_suffix(1);
    if (message.ends_with(',')) message.remove_suffix(1);  // as older Pythons write one argument
    const bool quoted = message.size() >= 2 && (message.front() == '\'' || message.front() == '"');
    if (quoted && message.back() == message.front() &&
        message.substr(1, message.size() - 2).find(message.front()) == std::string_view::npos) {
      message = message.substr(1, message.size() - 2);
    }
    return {.type = std::string{exception.substr(0, end)}, .message = std::string{message}};
  }
  if (named && exception.substr(end).starts_with(": ")) {
    return {.type = std::string{exception.substr(0, end)},
            .message = std::string{exception.substr(end + 2)}};
  }
  return {.type = {}, .message = std::string{exception}};
}

std::string normalised_message(std::string_view message) {
  std::string normal;
  for (std::size_t i = 0; i < message.size() && normal.size() < kLongestMessage;) {
    const char c = message[i];
    // An apostrophe within a word quotes nothing.
    const bool opens = (c == '\'' || c == '"' || c == '`') && (i == 0 || !in_word(message[i - 1]));
    const auto close = opens ? message.find(c, i + 1) : std::string_view::npos;
    if (close != std::string_view::npos) {
      normal += '#';
      i = close + 1;
      continue;
    }
    if (!in_word(c)) {
      normal += c;
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < message.size() && in_word(message[end])) ++end;
    const auto word = message.substr(i, end - i);
    if (is_particular(word)) {
      // `1.5`, `10:30` and the parts of a UUID are one value.
      const bool joined = normal.size() >= 2 && normal[normal.size() - 2] == '#' &&
                          std::string_view{".:-,"}.find(normal.back()) != std::string_view::npos;
      if (joined) {
        normal.pop_back();
      } else {
        normal += '#';
      }
    } else {
      normal += word;
    }
    i = end;
  }
  if (normal.size() <= kLongestMessage) return normal;
  std::size_t end = kLongestMessage;
  while (end > 0 && (static_cast<unsigned char>(normal[end]) & 0xC0U) == 0x80U) --end;
  normal.resize(end);
  return normal;
}

std::string fingerprint(std::string_view exception, std::string_view traceback) {
  const auto told = exception_text(exception);
  std::uint64_t hash = 0xCBF2'9CE4'8422'2325U;
  mix(hash, told.type);
  mix(hash, normalised_message(told.message));
  for (const auto& frame : frames_of(traceback)) mix(hash, frame);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = kDigits[hash >> (60U - 4U * i) & 0xFU];
  return text;
}

std::optional<std::string> error_fingerprint(const Task& task) {
  if (task.state != TaskState::Failure || !task.exception) return std::nullopt;
  return fingerprint(*task.exception,
                     task.traceback ? std::string_view{*task.traceback} : std::string_view{});
}

}  // namespace umbel
