#include "canvas_maker.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "field_reader.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/result_meta.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;

// From when a chord's parts are looked at, with celery.chord_unlock; later looks are further apart.
constexpr std::chrono::milliseconds kFirstLook{100};
constexpr std::size_t kBodyAround = 4;  // levels of a message's body around what it embeds

// Options that say where a signature stands or what follows it, and not how it is to be run: a
// composite does not hand them to its parts.
constexpr std::array<std::string_view, 11> kOwnOptions{
    "task_id",    "group_id", "group_index", "chord",  "chain",   "link",
    "link_error", "root_id",  "parent_id",   "stamps", "reply_to"};

json::string_view key_of(std::string_view name) { return {name.data(), name.size()}; }

json::object run_options(const json::object& options) {
  json::object out;
  for (const auto& member : options) {
    if (std::find(kOwnOptions.begin(), kOwnOptions.end(), text_of(member.key())) ==
        kOwnOptions.end()) {
      out.emplace(member.key(), member.value());
    }
  }
  return out;
}

// Those of `upper` go before those of `lower`.
json::object overlaid(json::object lower, const json::object& upper) {
  for (const auto& member : upper) lower[member.key()] = member.value();
  return lower;
}

void append(json::array& to, const json::array& more) {
  to.insert(to.end(), more.begin(), more.end());
}

json::array list_option(const json::object& options, std::string_view name) {
  const json::value* const list = option(options, name);
  return list != nullptr && list->is_array() ? list->get_array() : json::array{};
}

void extend_option(json::object& options, std::string_view name, const json::array& more) {
  if (more.empty()) return;
  auto list = list_option(options, name);
  append(list, more);
  options[key_of(name)] = std::move(list);
}

std::optional<double> number_option(const json::object& options, std::string_view name) {
  const json::value* const value = option(options, name);
  return value == nullptr ? std::nullopt : number_of(*value);
}

// Nothing: beyond what an instant can say.
std::optional<WallTime> later(WallTime now, double seconds) {
  if (std::abs(seconds) > 1e11) return std::nullopt;
  return now + std::chrono::microseconds{static_cast<std::int64_t>(seconds * 1e6)};
}

std::optional<WallTime> instant_option(const json::object& options, std::string_view name,
                                       WallTime now) {
  const json::value* const value = option(options, name);
  if (value == nullptr) return std::nullopt;
  if (const auto seconds = number_of(*value)) return later(now, *seconds);
  return value->is_string() ? parse_iso8601(text_of(value->get_string())) : std::nullopt;
}

std::optional<double> limit_option(const json::object& options, std::string_view name) {
  const auto seconds = number_option(options, name);
  return seconds && *seconds > 0 ? seconds : std::nullopt;
}

std::string named_queue(const json::value* value) {
  if (value == nullptr) return {};
  if (value->is_string()) return std::string{text_of(value->get_string())};
  const json::object* const described = value->if_object();
  const json::value* const name = described != nullptr ? described->if_contains("name") : nullptr;
  return name != nullptr && name->is_string() ? std::string{text_of(name->get_string())}
                                              : std::string{};
}

bool too_deep(const TaskMessage& message) {
  const auto deep = [](const json::value& value) {
    return deeper_than(value, kMaxDepth - kBodyAround);
  };
  const auto any = [&](const json::object& object) {
    return std::any_of(object.begin(), object.end(),
                       [&](const auto& member) { return deep(member.value()); });
  };
  return std::any_of(message.args.begin(), message.args.end(), deep) || any(message.kwargs) ||
         any(message.embed);
}

// How many tasks of a header must end for it to be complete, and whether it has groups in it.
void count(const ResultTree& tree, CountedChord& chord) {
  for (const auto& member : tree.members) {
    if (member.group) {
      chord.nested = true;
      count(member, chord);
    } else {
      ++chord.size;
    }
  }
}

void flatten_group(Signature& group, std::vector<Signature>& into) {
  for (auto& part : group.parts) {
    if (part.kind == Signature::Kind::Group) {
      flatten_group(part, into);
    } else {
      into.push_back(std::move(part));
    }
  }
}

}  // namespace

const json::value* option(const json::object& options, std::string_view name) {
  const json::value* const value = options.if_contains(key_of(name));
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string text_option(const json::object& options, std::string_view name) {
  const json::value* const value = option(options, name);
  if (value == nullptr || !value->is_string()) return {};
  return std::string{text_of(value->get_string())};
}

json::array documents_of(const std::vector<Signature>& signatures) {
  json::array list;
  list.reserve(signatures.size());
  for (const auto& signature : signatures) list.emplace_back(document_of(signature));
  return list;
}

json::array list_of(json::value one) {
  json::array list;
  list.emplace_back(std::move(one));
  return list;
}

CanvasMaker::CanvasMaker(const TaskMessage& parent, std::string seed, const Surroundings& around)
    : parent_{parent}, seed_{std::move(seed)}, around_{around} {}

std::string CanvasMaker::new_id() {
  return named_uuid("canvas|" + seed_ + "|" + std::to_string(ids_++));
}

bool CanvasMaker::fits(const json::value& document, std::size_t copies) {
  if (copies < 2) return true;
  bytes_ += to_json(document).size() * copies;
  if (bytes_ <= kMostFollowingBytes) return true;
  refuse(invalid("what would follow it repeats more than " + std::to_string(kMostFollowingBytes) +
                 " bytes from one message to the next"));
  return false;
}

void CanvasMaker::refuse(Error error) {
  if (!refused_) refused_ = std::move(error);
}

Result<Following> CanvasMaker::made() {
  if (refused_) return *refused_;
  return std::move(made_);
}

void CanvasMaker::apply(const Signature& signature, Given given) {
  made_.children.push_back(make(signature, std::move(given)));
}

void CanvasMaker::call_errbacks(std::vector<Signature> errbacks, const std::string& failed) {
  if (errbacks.empty()) return;
  Signature group;
  group.kind = Signature::Kind::Group;
  group.task = "celery.group";
  group.parts = std::move(errbacks);
  apply(group, {.args = list_of(json::value(failed))});
}

ResultTree CanvasMaker::make(Signature signature, Given given) {
  if (refused_) return {};
  switch (signature.kind) {
    case Signature::Kind::Task:
      return send(signature, std::move(given));
    case Signature::Kind::Chain:
      return make_chain(std::move(signature), std::move(given));
    case Signature::Kind::Group:
      return make_group(std::move(signature), std::move(given));
    case Signature::Kind::Chord:
      return make_chord(std::move(signature), std::move(given));
  }
  return {};
}

ResultTree CanvasMaker::send(const Signature& signature, Given given) {
  const auto options = overlaid(signature.options, given.overlay);
  Child child;
  TaskMessage& message = child.message;
  message.task = signature.task;
  message.id = TaskId{text_option(options, "task_id")};
  if (message.id.empty()) message.id = TaskId{new_id()};
  if (!signature.immutable) message.args = std::move(given.args);
  append(message.args, signature.args);
  message.kwargs = signature.kwargs;
  for (const auto& [name, key] : {std::pair{"link", "callbacks"}, {"link_error", "errbacks"}}) {
    if (auto list = list_option(options, name); !list.empty()) {
      message.embed[key] = std::move(list);
    }
  }
  append(given.rest, list_option(options, "chain"));
  if (!given.rest.empty()) message.embed["chain"] = std::move(given.rest);
  if (const auto* chord = option(options, "chord")) message.embed["chord"] = *chord;

  message.eta = instant_option(options, "eta", around_.now);
  if (const auto seconds = number_option(options, "countdown")) {
    message.eta = later(around_.now, *seconds);
  }
  message.expires = instant_option(options, "expires", around_.now);
  message.time_limit = limit_option(options, "time_limit");
  message.soft_time_limit = limit_option(options, "soft_time_limit");
  message.root_id = parent_.root_id.empty() ? parent_.id.str() : parent_.root_id;
  message.parent_id = parent_.id.str();
  message.group = text_option(options, "group_id");
  message.origin = around_.origin;
  message.shadow = text_option(options, "shadow");
  message.reply_to = text_option(options, "reply_to");
  if (message.reply_to.empty()) message.reply_to = parent_.reply_to;
  message.priority =
      static_cast<int>(std::clamp(number_option(options, "priority").value_or(0), 0.0, 255.0));
  const auto* ignore = option(options, "ignore_result");
  message.ignore_result = ignore != nullptr && ignore->is_bool() && ignore->get_bool();
  if (const auto* headers = option(options, "headers"))
    message.extra_headers = headers->as_object();
  if (const auto* index = option(options, "group_index")) {
    message.extra_headers["group_index"] = *index;
  }
  stamp(options, message);
  child.queue = queue_for(signature, options);

  if (made_.sent.size() >= kMostFollowing) {
    refuse(invalid("more than " + std::to_string(kMostFollowing) + " messages would follow it"));
    return {};
  }
  if (too_deep(message)) {
    refuse(invalid("the message of " + shortened(message.task, 100) +
                   ", which follows it, would be nested deeper than " + std::to_string(kMaxDepth) +
                   " levels"));
    return {};
  }
  ResultTree tree{message.id.str()};
  made_.sent.push_back(std::move(child));
  return tree;
}

// The parent's stamps go on; the signature's own go before them.
void CanvasMaker::stamp(const json::object& options, TaskMessage& message) const {
  json::array names;
  json::object stamps;
  const auto add = [&](const json::value& name, const json::value* value) {
    if (!name.is_string() || value == nullptr) return;
    if (!stamps.contains(name.get_string())) names.push_back(name);
    stamps[name.get_string()] = *value;
  };
  const auto& headers = parent_.extra_headers;
  const json::value* const of_parent = option(headers, "stamps");
  if (of_parent != nullptr && of_parent->is_object()) {
    for (const auto& name : list_option(headers, "stamped_headers")) {
      if (name.is_string()) add(name, of_parent->get_object().if_contains(name.get_string()));
    }
  }
  const json::value* const own = option(options, "stamps");
  for (const auto& name : list_option(options, "stamped_headers")) {
    if (!name.is_string()) continue;
    const json::value* value = options.if_contains(name.get_string());
    if (value == nullptr && own != nullptr)
      value = own->get_object().if_contains(name.get_string());
    add(name, value);
  }
  if (names.empty()) return;
  message.extra_headers["stamped_headers"] = std::move(names);
  message.extra_headers["stamps"] = std::move(stamps);
}

QueueName CanvasMaker::queue_for(const Signature& signature, const json::object& options) const {
  for (const auto* const name : {"queue", "routing_key"}) {
    if (auto queue = named_queue(option(options, name)); !queue.empty()) {
      return QueueName{std::move(queue)};
    }
  }
  if (!signature.task.starts_with("celery.")) return around_.route(signature.task);
  // Where the task is that it maps over.
  const json::value* const mapped = option(signature.kwargs, "task");
  if (mapped != nullptr && mapped->is_object()) {
    const auto name = text_option(mapped->get_object(), "task");
    if (!name.empty() && !name.starts_with("celery.")) return around_.route(name);
  }
  return around_.queue;
}

// In order, chains within it spliced, and a group that has a successor made the header of a chord.
std::vector<Signature> CanvasMaker::steps_of(Signature chain) {
  const auto link = list_option(chain.options, "link");
  const auto link_error = list_option(chain.options, "link_error");
  std::vector<Signature> steps;
  for (auto& part : chain.parts) {
    if (part.kind == Signature::Kind::Group && part.parts.size() == 1) {
      part = Signature{std::move(part.parts.front())};
    }
    if (part.kind == Signature::Kind::Chain) {
      auto inner = steps_of(std::move(part));
      std::move(inner.begin(), inner.end(), std::back_inserter(steps));
    } else {
      steps.push_back(std::move(part));
    }
  }
  for (auto& step : steps) extend_option(step.options, "link_error", link_error);
  if (!steps.empty()) extend_option(steps.back().options, "link", link);

  std::vector<Signature> backwards;
  while (!steps.empty()) {
    Signature step = std::move(steps.back());
    steps.pop_back();
    if (step.kind == Signature::Kind::Group && !backwards.empty()) {
      Signature chord;
      chord.kind = Signature::Kind::Chord;
      chord.task = "celery.chord";
      chord.parts.push_back(std::move(step));
      chord.parts.push_back(std::move(backwards.back()));
      backwards.pop_back();
      step = std::move(chord);
    }
    backwards.push_back(std::move(step));
  }
  std::reverse(backwards.begin(), backwards.end());
  return backwards;
}

// Tells the task at the end of `signature` where it stands; answers what its caller finds.
ResultTree CanvasMaker::settle(Signature& signature, const Place& place) {
  switch (signature.kind) {
    case Signature::Kind::Task: {
      auto& options = signature.options;
      if (option(options, "task_id") == nullptr) {
        options["task_id"] = place.id.empty() ? new_id() : place.id;
      }
      if (!place.group.empty()) {
        if (option(options, "group_id") == nullptr) options["group_id"] = place.group;
        if (place.next_index != nullptr) options["group_index"] = (*place.next_index)++;
      }
      if (place.chord != nullptr) options["chord"] = *place.chord;
      return {text_option(options, "task_id")};
    }
    case Signature::Kind::Chain: {
      if (signature.parts.empty()) return {place.group, true};
      Place end = place;
      if (auto id = text_option(signature.options, "task_id"); !id.empty()) end.id = std::move(id);
      return settle(signature.parts.back(), end);
    }
    case Signature::Kind::Group: {
      if (option(signature.options, "task_id") == nullptr) {
        signature.options["task_id"] = new_id();
      }
      ResultTree tree{text_option(signature.options, "task_id"), true};
      Place member = place;
      member.id.clear();
      for (auto& part : signature.parts) tree.members.push_back(settle(part, member));
      return tree;
    }
    case Signature::Kind::Chord: {
      Place end = place;
      if (auto id = text_option(signature.options, "task_id"); !id.empty()) end.id = std::move(id);
      return settle(signature.parts[1], end);
    }
  }
  return {};
}

ResultTree CanvasMaker::make_chain(Signature chain, Given given) {
  if (!chain.immutable) {
    append(given.args, chain.args);
  } else {
    given.args = chain.args;
  }
  std::int64_t index = 0;
  Place end{text_option(chain.options, "task_id"), text_option(chain.options, "group_id")};
  if (const auto at = number_option(chain.options, "group_index")) {
    index = static_cast<std::int64_t>(*at);
    end.next_index = &index;
  }
  const auto* const chord = option(chain.options, "chord");
  if (chord != nullptr) end.chord = &chord->as_object();
  if (!end.id.empty() || !end.group.empty() || chord != nullptr) (void)settle(chain, end);

  append(given.rest, list_option(chain.options, "chain"));
  auto steps = steps_of(chain);
  if (steps.empty()) return {new_id(), true};
  Signature first = std::move(steps.front());
  steps.erase(steps.begin());
  std::reverse(steps.begin(), steps.end());
  append(given.rest, documents_of(steps));
  given.overlay = overlaid(run_options(chain.options), given.overlay);
  return make(std::move(first), std::move(given));
}

ResultTree CanvasMaker::make_group(Signature group, Given given) {
  if (option(group.options, "link") != nullptr) {
    refuse(invalid("a group has a link; only its members and a chord can have one"));
    return {};
  }
  const auto link_error = list_option(group.options, "link_error");
  const auto id = text_option(group.options, "task_id");
  ResultTree tree{id.empty() ? new_id() : id, true};
  append(given.rest, list_option(group.options, "chain"));
  given.overlay = overlaid(run_options(group.options), given.overlay);
  const auto* const chord = option(group.options, "chord");
  std::vector<Signature> members;
  flatten_group(group, members);
  if (!fits(given.args, members.size()) || !fits(given.rest, members.size())) return {};
  std::int64_t index = 0;
  for (auto& member : members) {
    Place place{.id = {}, .group = tree.id, .next_index = &index};
    if (chord != nullptr) place.chord = &chord->as_object();
    tree.members.push_back(settle(member, place));
    extend_option(member.options, "link_error", link_error);
    (void)make(std::move(member), given);
    if (refused_) break;
  }
  return tree;
}

ResultTree CanvasMaker::make_chord(Signature chord, Given given) {
  Signature header = std::move(chord.parts[0]);
  Signature body = std::move(chord.parts[1]);
  if (chord.immutable) {
    given.args = chord.args;
  } else {
    append(given.args, chord.args);
  }
  // What the chord was told to follow it follows its body.
  append(given.rest, list_option(chord.options, "chain"));
  append(given.rest, list_option(body.options, "chain"));
  if (!given.rest.empty()) body.options["chain"] = std::move(given.rest);
  given.rest.clear();
  given.overlay = overlaid(run_options(chord.options), given.overlay);
  body.options = overlaid(std::move(body.options), given.overlay);
  for (const auto* const name : {"link", "link_error"}) {
    extend_option(body.options, name, list_option(chord.options, name));
  }
  std::int64_t index = 0;
  Place end{text_option(chord.options, "task_id"), text_option(chord.options, "group_id")};
  if (const auto at = number_option(chord.options, "group_index")) {
    index = static_cast<std::int64_t>(*at);
    end.next_index = &index;
  }
  const auto* const outer = option(chord.options, "chord");
  const json::object outer_document = outer == nullptr ? json::object{} : outer->as_object();
  if (outer != nullptr) end.chord = &outer_document;
  const auto tree = settle(body, end);

  const auto header_id = text_option(header.options, "task_id");
  CountedChord counted;
  counted.header = {header_id.empty() ? new_id() : header_id, true};
  const auto overlay = overlaid(run_options(header.options), given.overlay);
  std::vector<Signature> members;
  flatten_group(header, members);
  if (members.empty()) {
    (void)make(std::move(body), {.args = list_of(json::array{})});
    return tree;
  }
  const auto document = document_of(body);
  if (!fits(document, members.size()) || !fits(given.args, members.size())) return {};
  index = 0;
  for (auto& member : members) {
    Place place{.id = {}, .group = counted.header.id, .next_index = &index, .chord = &document};
    counted.header.members.push_back(settle(member, place));
  }
  count(counted.header, counted);
  for (auto& member : members) {
    (void)make(std::move(member), {.args = given.args, .overlay = overlay});
    if (refused_) return {};
  }
  if (around_.chords_are_counted) {
    made_.chords.push_back(std::move(counted));
  } else {
    unlock(counted, document);
  }
  return tree;
}

void CanvasMaker::unlock(const CountedChord& chord, const json::object& body) {
  json::array parts;
  for (const auto& member : chord.header.members) {
    parts.push_back(parse_json(encode_result_tree(member)).value());
  }
  Signature task;
  task.task = "celery.chord_unlock";
  task.args = {json::value(chord.header.id), body};
  task.kwargs = {{"interval", nullptr}, {"max_retries", nullptr}, {"result", std::move(parts)}};
  task.options = {{"ignore_result", true},
                  {"queue", around_.queue.str()},
                  {"countdown", std::chrono::duration<double>(kFirstLook).count()}};
  (void)send(task, {});
}

}  // namespace umbel::celery
