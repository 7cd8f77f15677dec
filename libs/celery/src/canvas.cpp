#include "umbel/celery/canvas.hpp"

#include <algorithm>
#include <utility>

#include "canvas_maker.hpp"
#include "field_reader.hpp"
#include "umbel/celery/signature.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;

const json::value& embedded(const TaskMessage& task, const char* key) {
  static const json::value kNothing;
  const json::value* const value = task.embed.if_contains(key);
  return value == nullptr ? kNothing : *value;
}

// What a chord's body says of where it stands, as a message of that task would.
TaskMessage stub_of(const Signature& signature, const TaskMessage& because) {
  TaskMessage stub;
  stub.task = signature.task;
  stub.id = TaskId{text_option(signature.options, "task_id")};
  stub.group = text_option(signature.options, "group_id");
  stub.reply_to = text_option(signature.options, "reply_to");
  if (stub.reply_to.empty()) stub.reply_to = because.reply_to;
  stub.root_id = because.root_id.empty() ? because.id.str() : because.root_id;
  stub.parent_id = because.id.str();
  if (const auto* index = option(signature.options, "group_index")) {
    stub.extra_headers["group_index"] = *index;
  }
  if (const auto* chord = option(signature.options, "chord")) stub.embed["chord"] = *chord;
  return stub;
}

// Whether tasks are parts of a chord whose body falls with them, so that nobody need be told.
enum class Inside { Open, DoomedChord };

void collect(const Signature& signature, const TaskMessage& because, Inside inside,
             std::vector<TaskMessage>& out) {
  switch (signature.kind) {
    case Signature::Kind::Task: {
      auto stub = stub_of(signature, because);
      if (inside == Inside::DoomedChord) stub.embed.erase("chord");
      if (!stub.id.empty()) out.push_back(std::move(stub));
      break;
    }
    case Signature::Kind::Chain:
    case Signature::Kind::Group:
      for (const auto& part : signature.parts) collect(part, because, inside, out);
      break;
    case Signature::Kind::Chord:
      collect(signature.parts[0], because, Inside::DoomedChord, out);
      collect(signature.parts[1], because, inside, out);
      break;
  }
  if (const auto* rest = option(signature.options, "chain")) {
    const auto chain = read_signatures(*rest, "chain");
    if (!chain) return;
    for (auto next = chain->rbegin(); next != chain->rend(); ++next) {
      collect(*next, because, inside, out);
    }
  }
}

}  // namespace

Result<Following> after_success(const TaskMessage& task, const json::value& returned,
                                const Surroundings& around) {
  CanvasMaker maker{task, task.id.str(), around};
  auto callbacks = read_signatures(embedded(task, "callbacks"), "callbacks");
  if (!callbacks) return callbacks.error();
  auto chain = read_signatures(embedded(task, "chain"), "chain");
  if (!chain) return chain.error();
  if (callbacks->size() == 1) {
    maker.apply(callbacks->front(), {.args = list_of(returned)});
  } else if (!callbacks->empty()) {
    Signature others;
    others.kind = Signature::Kind::Group;
    others.task = "celery.group";
    for (auto& callback : *callbacks) {
      if (callback.kind == Signature::Kind::Group) {
        maker.apply(callback, {.args = list_of(returned)});
      } else {
        others.parts.push_back(std::move(callback));
      }
    }
    if (!others.parts.empty()) maker.apply(others, {.args = list_of(returned)});
  }
  if (!chain->empty()) {
    const Signature next = std::move(chain->back());
    chain->pop_back();
    maker.apply(next, {.args = list_of(returned), .rest = documents_of(*chain)});
  }
  return maker.made();
}

Result<Following> after_failure(const TaskMessage& task, const Surroundings& around) {
  CanvasMaker maker{task, task.id.str(), around};
  auto errbacks = read_signatures(embedded(task, "errbacks"), "errbacks");
  if (!errbacks) return errbacks.error();
  maker.call_errbacks(std::move(*errbacks), task.id.str());
  auto made = maker.made();
  if (made) made->fallen = fallen_with(task);
  return made;
}

Result<Following> chord_body(const TaskMessage& part, json::array results,
                             const Surroundings& around) {
  const auto body = read_signature(embedded(part, "chord"), "chord");
  if (!body) return body.error();
  CanvasMaker maker{part, "chord|" + part.group, around};
  maker.apply(*body, {.args = list_of(std::move(results))});
  return maker.made();
}

Result<Following> chord_failure(const TaskMessage& part, const Surroundings& around) {
  const auto body = read_signature(embedded(part, "chord"), "chord");
  if (!body) return body.error();
  auto stands = stub_of(*body, part);
  if (stands.id.empty()) stands.id = part.id;
  // The errbacks are called in the name of the body.
  CanvasMaker maker{part, "chord|" + part.group, around};
  if (const auto* link = option(body->options, "link_error")) {
    auto errbacks = read_signatures(*link, "chord.options.link_error");
    if (!errbacks) return errbacks.error();
    maker.call_errbacks(std::move(*errbacks), stands.id.str());
  }
  auto made = maker.made();
  if (made) collect(*body, part, Inside::Open, made->fallen);
  return made;
}

Result<Following> applied(const TaskMessage& task, const json::value& signature, json::array args,
                          const Surroundings& around) {
  const auto read = read_signature(signature, "the signature");
  if (!read) return read.error();
  CanvasMaker maker{task, task.id.str(), around};
  maker.apply(*read, {.args = std::move(args)});
  return maker.made();
}

std::vector<TaskMessage> fallen_with(const TaskMessage& task) {
  std::vector<TaskMessage> fallen;
  const auto chain = read_signatures(embedded(task, "chain"), "chain");
  if (!chain) return fallen;
  for (auto next = chain->rbegin(); next != chain->rend(); ++next) {
    collect(*next, task, Inside::Open, fallen);
  }
  std::erase_if(fallen, [&](const TaskMessage& one) { return one.id == task.id; });
  return fallen;
}

Result<void> check_canvas(const TaskMessage& task) {
  for (const char* const key : {"callbacks", "errbacks", "chain"}) {
    if (const auto read = read_signatures(embedded(task, key), key); !read) return read.error();
  }
  const auto& chord = embedded(task, "chord");
  if (chord.is_null()) return {};
  if (const auto read = read_signature(chord, "chord"); !read) return read.error();
  return {};
}

std::optional<std::int64_t> group_index_of(const TaskMessage& task) {
  const json::value* const index = task.extra_headers.if_contains("group_index");
  if (index == nullptr || !index->is_int64()) return std::nullopt;
  return index->get_int64();
}

}  // namespace umbel::celery
