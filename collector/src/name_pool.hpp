// Texts that many tasks share (names, workers, queues), each kept once.
//
// A hundred thousand tasks have a few dozen names; with a copy in each task they would be most of
// the memory. Uses are counted, so that a text nobody uses any more is gone: a fleet that names its
// workers anew each day does not fill the pool.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace umbel::collector {

// Not thread-safe.
class NamePool {
 public:
  using Id = std::uint32_t;
  static constexpr Id kNone = 0;

  // One more use of this text. Give it back as often as it was taken.
  [[nodiscard]] Id take(std::string_view text);
  void give_back(Id id);
  [[nodiscard]] Id find(std::string_view text) const;  // kNone: nobody uses it
  [[nodiscard]] const std::string& text(Id id) const { return entries_[id - 1].text; }
  [[nodiscard]] std::size_t size() const { return ids_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }  // estimated

 private:
  struct Entry {
    std::string text;
    std::uint64_t uses = 0;
  };
  std::deque<Entry> entries_;  // never moved: the keys below look into them
  std::vector<Id> free_;
  std::unordered_map<std::string_view, Id> ids_;
  std::size_t bytes_ = 0;
};

}  // namespace umbel::collector
