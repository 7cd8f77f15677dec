#include "open_chords.hpp"

#include <utility>

#include "umbel/celery/json.hpp"
#include "umbel/celery/result_meta.hpp"

namespace umbel {
namespace {

void collect_ids(const ResultTree& tree, std::vector<TaskId>& ids) {
  if (!tree.group) ids.emplace_back(tree.id);
  for (const auto& member : tree.members) collect_ids(member, ids);
}

}  // namespace

Result<std::vector<TaskId>> parts_of(const celery::TaskMessage& unlock) {
  const auto* const result = unlock.kwargs.if_contains("result");
  if (result == nullptr || unlock.args.empty() || !unlock.args[0].is_string()) {
    return invalid("it names no group, or no results");
  }
  const boost::json::object form{
      {"result", boost::json::array{boost::json::array{unlock.args[0], nullptr}, *result}}};
  const auto tree = celery::decode_group(celery::to_json(form));
  if (!tree) return tree.error();
  std::vector<TaskId> ids;
  collect_ids(*tree, ids);
  return ids;
}

void OpenChords::watch(ChordLook look, const std::vector<TaskId>& open) {
  if (open.empty() || open.size() > kMostParts) return;
  const std::lock_guard lock{mutex_};
  const auto [place, fresh] = chords_.try_emplace(look.group);
  if (!fresh) return;
  oldest_.push_back(look.group);
  place->second.open = {open.begin(), open.end()};
  place->second.look = std::move(look);
  while (oldest_.size() > kMostChords) {
    chords_.erase(oldest_.front());
    oldest_.pop_front();
  }
}

std::optional<ChordLook> OpenChords::ended(const std::string& group, const TaskId& part) {
  const std::lock_guard lock{mutex_};
  const auto found = chords_.find(group);
  if (found == chords_.end()) return std::nullopt;
  auto& chord = found->second;
  if (chord.open.erase(part) == 0 || !chord.open.empty()) return std::nullopt;
  auto look = std::move(chord.look);
  chords_.erase(found);
  return look;
}

}  // namespace umbel
