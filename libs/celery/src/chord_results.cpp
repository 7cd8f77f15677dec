#include "umbel/celery/chord_results.hpp"

#include <map>
#include <utility>

#include "envelope.hpp"
#include "field_reader.hpp"
#include "json_text.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/result_meta.hpp"
#include "value_reader.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;

ChordReturn failed(std::string reason) { return {ChordReturn::Is::Failed, {}, std::move(reason)}; }

bool is_failure(TaskState state) {
  return state == TaskState::Failure || state == TaskState::Revoked;
}

std::string raised(const TaskId& id, const std::string& exception) {
  return "Dependency " + id.str() + " raised " + repr_of_exception(exception);
}

// A member's value as the header's form wants it; `wrong` says why there is none.
struct Joining {
  std::map<std::string, ChordPart> parts;
  const std::function<Result<FoundResult>(const TaskId&)>& missing;
  std::string wrong{};

  bool append(std::string& out, const ResultTree& tree) {
    if (tree.group) return append_members(out, tree);
    const auto part = parts.find(tree.id);
    if (part != parts.end()) return append_one(out, part->second.id, part->second);
    const TaskId id{tree.id};
    const auto found = missing(id);
    if (!found) {
      wrong = "Join error: the result of " + tree.id + ": " + found.error().what;
      return false;
    }
    const CallerResult& result = found->result;
    if (!is_final(result.state)) {
      wrong = "Join error: task " + tree.id + " of a nested group has not ended";
      return false;
    }
    return append_one(out, id, {{}, {}, id, result.state, result.result});
  }

 private:
  bool append_one(std::string& out, const TaskId& id, const ChordPart& part) {
    if (is_failure(part.state)) {
      wrong = raised(id, part.result);
      return false;
    }
    out += part.result;
    return true;
  }
  bool append_members(std::string& out, const ResultTree& group) {
    std::string_view separator = "[";
    if (group.members.empty()) out += '[';
    for (const auto& member : group.members) {
      out += separator;
      if (!append(out, member)) return false;
      separator = ", ";
    }
    out += ']';
    return true;
  }
};

}  // namespace

std::string encode_chord_part(const ChordPart& part) {
  std::string out = "[1, ";
  append_json_string(out, part.id.str());
  out += ", ";
  append_json_string(out, to_text(part.state));
  out += ", ";
  out += is_failure(part.state) ? exception_for_python(part.result) : part.result;
  out += ']';
  return out;
}

Result<ChordPart> decode_chord_part(std::string_view text) {
  if (const auto fits = check_size("a chord's part", text.size()); !fits) return fits.error();
  const auto value = parse_plain_json(text);
  if (!value) return invalid("a chord's part: " + value.error().what);
  const auto* list = value->if_array();
  if (list == nullptr || list->size() != 4 || !(*list)[1].is_string() || !(*list)[2].is_string()) {
    return invalid("a chord's part is not [1, task id, state, result]");
  }
  ChordPart part;
  part.id = TaskId{std::string{text_of((*list)[1].get_string())}};
  const auto state = task_state_from(text_of((*list)[2].get_string()));
  if (!state || !is_final(*state)) {
    return invalid("a chord's part has the state `" +
                   shortened(text_of((*list)[2].get_string()), 50) +
                   "` (allowed: SUCCESS, FAILURE, REVOKED)");
  }
  part.state = *state;
  part.result = to_python_json((*list)[3]);
  return part;
}

ChordReturn join_chord(std::span<const std::string> parts) {
  ChordReturn joined{ChordReturn::Is::Complete, "[", {}};
  std::string_view separator;
  for (const auto& text : parts) {
    const auto part = decode_chord_part(text);
    if (!part) return failed("Join error: " + part.error().what);
    if (is_failure(part->state)) return failed(raised(part->id, part->result));
    joined.results += separator;
    joined.results += part->result;
    separator = ", ";
  }
  joined.results += ']';
  return joined;
}

ChordReturn join_chord(std::span<const std::string> parts, const ResultTree& form,
                       const std::function<Result<FoundResult>(const TaskId&)>& missing) {
  Joining joining{{}, missing};
  for (const auto& text : parts) {
    auto part = decode_chord_part(text);
    if (!part) return failed("Join error: " + part.error().what);
    if (is_failure(part->state)) return failed(raised(part->id, part->result));
    const auto id = part->id.str();
    joining.parts.insert_or_assign(id, std::move(*part));
  }
  ChordReturn joined{ChordReturn::Is::Complete, {}, {}};
  if (!joining.append(joined.results, form)) return failed(std::move(joining.wrong));
  return joined;
}

}  // namespace umbel::celery
