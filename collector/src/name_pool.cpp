#include "name_pool.hpp"

namespace umbel::collector {
namespace {

std::size_t cost(const std::string& text) { return text.size() + 100; }

}  // namespace

NamePool::Id NamePool::take(std::string_view text) {
  if (const auto known = ids_.find(text); known != ids_.end()) {
    ++entries_[known->second - 1].uses;
    return known->second;
  }
  Id id = kNone;
  if (free_.empty()) {
    entries_.emplace_back();
    id = static_cast<Id>(entries_.size());
  } else {
    id = free_.back();
    free_.pop_back();
  }
  Entry& entry = entries_[id - 1];
  entry.text = text;
  entry.uses = 1;
  ids_.emplace(entry.text, id);
  bytes_ += cost(entry.text);
  return id;
}

void NamePool::give_back(Id id) {
  if (id == kNone) return;
  Entry& entry = entries_[id - 1];
  if (--entry.uses > 0) return;
  bytes_ -= cost(entry.text);
  ids_.erase(entry.text);
  entry.text = std::string{};
  free_.push_back(id);
}

NamePool::Id NamePool::find(std::string_view text) const {
  const auto known = ids_.find(text);
  return known == ids_.end() ? kNone : known->second;
}

}  // namespace umbel::collector
