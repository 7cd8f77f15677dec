// What may be typed next in a search. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace umbel::collector {

struct CompletionOption {
  std::string text;
  std::optional<std::uint64_t> count{};  // tasks, as far as known; nothing: not counted
  std::string about{};                   // a few words; may be empty

  friend bool operator==(const CompletionOption&, const CompletionOption&) = default;
};

// The values that there are, by key, in the order in which they are offered.
struct Vocabulary {
  std::vector<CompletionOption> states, names, workers, queues, errors;
};

// Replace the bytes [from, to) of the search by an option's text.
struct Completion {
  std::size_t from = 0, to = 0;
  std::vector<CompletionOption> options;
};

constexpr std::size_t kMostOptions = 20;

// `at`: where the caret stands, in bytes; beyond the end is the end.
[[nodiscard]] Completion complete(std::string_view q, std::size_t at, const Vocabulary& known);

}  // namespace umbel::collector
