// Where the rows of the table of tasks are found by their ids: open addressing, linear probing.
#include "task_table.hpp"

namespace umbel::collector {

std::size_t TaskTable::hash(const SmallId& id) {
  std::uint64_t mixed = id.high ^ (id.low * 0x9E37'79B9'7F4A'7C15U);
  mixed ^= mixed >> 32U;
  mixed *= 0xD6E8'FEB8'6659'FD93U;
  return static_cast<std::size_t>(mixed ^ mixed >> 32U);
}

std::uint32_t TaskTable::place_of(const TaskId& id) const {
  SmallId wanted;
  if (const auto uuid = uuid_from(id.str())) {
    wanted = *uuid;
  } else {
    const NamePool::Id name = names_.find(id.str());
    if (name == NamePool::kNone) return kNowhere;
    wanted = {.high = name, .low = 0, .kind = SmallId::Kind::Text};
  }
  const std::size_t mask = index_.size() - 1;
  for (std::size_t slot = hash(wanted) & mask; index_[slot] != kNowhere; slot = (slot + 1) & mask) {
    if (row(index_[slot]).id == wanted) return index_[slot];
  }
  return kNowhere;
}

void TaskTable::index_insert(std::uint32_t place) {
  if ((size_ + 1) * 10 > index_.size() * 7) index_grow();
  const std::size_t mask = index_.size() - 1;
  std::size_t slot = hash(row(place).id) & mask;
  while (index_[slot] != kNowhere) slot = (slot + 1) & mask;
  index_[slot] = place;
}

void TaskTable::index_grow() {
  std::vector<std::uint32_t> old(index_.size() * 2, kNowhere);
  old.swap(index_);
  const std::size_t mask = index_.size() - 1;
  for (const std::uint32_t place : old) {
    if (place == kNowhere) continue;
    std::size_t slot = hash(row(place).id) & mask;
    while (index_[slot] != kNowhere) slot = (slot + 1) & mask;
    index_[slot] = place;
  }
}

// What stands behind a hole moves up, so that no mark of the removed one has to stay.
void TaskTable::index_erase(const SmallId& id) {
  const std::size_t mask = index_.size() - 1;
  std::size_t hole = hash(id) & mask;
  while (row(index_[hole]).id != id) hole = (hole + 1) & mask;
  for (std::size_t slot = (hole + 1) & mask; index_[slot] != kNowhere; slot = (slot + 1) & mask) {
    const std::size_t home = hash(row(index_[slot]).id) & mask;
    if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
    index_[hole] = index_[slot];
    hole = slot;
  }
  index_[hole] = kNowhere;
}

}  // namespace umbel::collector
