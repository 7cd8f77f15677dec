#include "built_ins.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "run_context.hpp"
#include "umbel/celery/chord_results.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/result_meta.hpp"

namespace umbel {
namespace {

namespace json = boost::json;

using Arguments = std::vector<json::value>;

constexpr double kFirstLook = 0.1, kLook = 1, kLongestLook = 30;  // seconds between two looks
constexpr std::int64_t kLooksBeforeSlower = 120;

// Celery's own names for them, in their order.
RegisteredTask built_in(const std::string& name, std::vector<TaskParameter> parameters,
                        std::function<json::value(TaskContext&, Arguments)> function) {
  RegisteredTask task;
  task.hidden = true;
  task.entry.name = name;
  task.entry.parameters = parameters;
  task.call = [name, parameters = std::move(parameters), function = std::move(function)](
                  TaskContext& context, const json::array& args, const json::object& kwargs) {
    // What else Celery's versions pass along means nothing here.
    json::object known;
    for (const auto& parameter : parameters) {
      if (const auto* value = kwargs.if_contains(parameter.name)) known[parameter.name] = *value;
    }
    return function(context, detail::bind(name, parameters, args, known));
  };
  return task;
}

TaskParameter needed(const char* name, const char* type = "any") { return {name, type, true, ""}; }
TaskParameter optional(const char* name, const char* value = "null") {
  return {name, "any", false, value};
}

std::string mapped_name(const json::value& signature) {
  const auto* object = signature.if_object();
  const auto* name = object != nullptr ? object->if_contains("task") : nullptr;
  if (name == nullptr || !name->is_string()) {
    throw FinalTaskError{"TypeError", "argument 'task' must be a signature"};
  }
  return std::string{name->get_string()};
}

// Calls the task once for each element, one after the other.
json::value mapped(const TaskRegistry& tasks, TaskContext& context, const Arguments& arguments,
                   bool spread) {
  const auto name = mapped_name(arguments[0]);
  const auto* task = tasks.find(name);
  if (task == nullptr || task->inside) throw FinalTaskError{"NotRegistered", name};
  json::array results;
  const auto& elements = arguments[1].as_array();
  for (const auto& element : elements) {
    if (context.stop().stop_requested()) {
      throw TaskError{"RuntimeError", fmt::format("told to stop after {} of {} elements",
                                                  results.size(), elements.size())};
    }
    json::array args;
    if (!spread) {
      args.push_back(element);
    } else if (element.is_array()) {
      args = element.get_array();
    } else {
      throw FinalTaskError{"TypeError",
                           fmt::format("element {} of 'it' is no list", results.size())};
    }
    results.push_back(task->call(context, args, {}));
  }
  return results;
}

RunContext& worker_side(TaskContext& context) {
  auto* run = dynamic_cast<RunContext*>(&context);
  if (run == nullptr) throw FinalTaskError{"RuntimeError", "it must run inside the worker"};
  return *run;
}

json::value applied(CanvasDesk& canvas, TaskContext& context, const json::value& signature,
                    json::array args) {
  auto& run = worker_side(context);
  const auto made = canvas.apply(run.message(), run.queue(), signature, std::move(args));
  if (!made && made.error().code == Errc::Invalid) {
    throw FinalTaskError{"ValueError", made.error().what};
  }
  if (!made) throw RetryRequest{made.error().what, std::chrono::seconds{1}};
  if (made->empty()) return nullptr;
  run.add_child(made->front());
  return celery::parse_json(celery::encode_result_tree(made->front())).value();
}

json::array list_of(const json::value& value) {
  return value.is_array() ? value.get_array() : json::array{};
}

json::object composite(const char* type, json::object kwargs) {
  return {{"task", std::string{"celery."} + type},
          {"subtask_type", type},
          {"kwargs", std::move(kwargs)}};
}

// Lists of `size` elements each, as starmaps in a group.
json::value chunks(const json::value& task, const json::array& elements, std::int64_t size) {
  if (size < 1) throw FinalTaskError{"ValueError", "n must be at least 1"};
  json::array members;
  for (std::size_t at = 0; at < elements.size(); at += static_cast<std::size_t>(size)) {
    const auto end = std::min(elements.size(), at + static_cast<std::size_t>(size));
    json::array part;
    for (std::size_t i = at; i < end; ++i) part.push_back(elements[i]);
    members.push_back(json::object{{"task", "celery.starmap"},
                                   {"immutable", true},
                                   {"kwargs", {{"task", task}, {"it", std::move(part)}}}});
  }
  return composite("group", {{"tasks", std::move(members)}});
}

std::chrono::milliseconds next_look(const json::value& interval, std::int64_t looks) {
  double seconds = std::min(kLook, kFirstLook * static_cast<double>(looks + 1));
  if (interval.is_number()) seconds = std::max(kFirstLook, interval.to_number<double>());
  if (looks > kLooksBeforeSlower) {
    seconds *= static_cast<double>(looks) / static_cast<double>(kLooksBeforeSlower);
  }
  return std::chrono::milliseconds{
      static_cast<std::int64_t>(1000 * std::min(seconds, kLongestLook))};
}

class Unlocking {
 public:
  Unlocking(CanvasDesk& canvas, ResultStore& results) : canvas_{canvas}, results_{results} {}

  // group_id, callback, interval, max_retries, result
  json::value operator()(TaskContext& context, const Arguments& arguments) const {
    auto& run = worker_side(context);
    const std::string group{arguments[0].as_string()};
    const json::object form_document{
        {"result", json::array{json::array{group, nullptr}, arguments[4]}}};
    const auto form = celery::decode_group(celery::to_json(form_document));
    if (!form) throw FinalTaskError{"ValueError", form.error().what};
    const auto look_again = [&](const std::string& why) {
      const auto& most = arguments[3];
      if (most.is_int64() && run.retries() >= most.get_int64()) {
        throw FinalTaskError{"MaxRetriesExceededError", why};
      }
      context.retry(why, next_look(arguments[2], run.retries()));
    };
    if (const auto waits = what_waits(run, arguments)) look_again(*waits);
    const auto chord =
        celery::join_chord({}, *form, [this](const TaskId& id) { return found(id); });
    auto part = run.message();
    part.group = group;
    part.embed["chord"] = arguments[1];
    if (const auto done = canvas_.on_chord(part, run.queue(), chord); !done) {
      if (done.error().code == Errc::Invalid) {
        throw FinalTaskError{"ValueError", done.error().what};
      }
      look_again(done.error().what);
    }
    return nullptr;
  }

 private:
  [[nodiscard]] std::optional<std::string> what_waits(const RunContext& run,
                                                      const Arguments& arguments) const {
    auto unlock = run.message();
    unlock.args = {arguments[0], arguments[1]};
    unlock.kwargs = {
        {"interval", arguments[2]}, {"max_retries", arguments[3]}, {"result", arguments[4]}};
    unlock.ignore_result = true;
    const auto ids = parts_of(unlock);
    if (!ids) throw FinalTaskError{"ValueError", ids.error().what};
    const auto states = results_.look_up(*ids);
    if (!states) return states.error().what;
    std::vector<TaskId> open;
    for (std::size_t i = 0; i < ids->size(); ++i) {
      if (!(*states)[i].final) open.push_back((*ids)[i]);
    }
    if (open.empty()) return std::nullopt;
    auto why = fmt::format("{} of {} tasks of the header have not ended", open.size(), ids->size());
    canvas_.watch_chord({std::string{arguments[0].as_string()}, std::move(unlock), run.queue()},
                        open);
    return why;
  }

  [[nodiscard]] Result<FoundResult> found(const TaskId& id) const {
    auto task = results_.find(id);
    if (!task) return task.error();
    FoundResult one;
    one.result.id = id;
    one.result.state = task->state;
    one.result.result = std::move(task->result);
    return one;
  }

  CanvasDesk& canvas_;
  ResultStore& results_;
};

// What they wait for is never their own fault, so they are tried until it is there.
void add_inside(TaskRegistry& tasks, RegisteredTask task) {
  task.inside = true;
  task.options.retry.max_retries = std::numeric_limits<int>::max();
  tasks.add_built_in(std::move(task));
}

}  // namespace

void add_mapping_tasks(TaskRegistry& tasks) {
  for (const bool spread : {false, true}) {
    tasks.add_built_in(built_in(spread ? "celery.starmap" : "celery.map",
                                {needed("task"), needed("it", "array")},
                                [&tasks, spread](TaskContext& context, const Arguments& arguments) {
                                  return mapped(tasks, context, arguments, spread);
                                }));
  }
  RegisteredTask accumulate;
  accumulate.hidden = true;
  accumulate.entry.name = "celery.accumulate";
  accumulate.call = [](TaskContext&, const json::array& args, const json::object& kwargs) {
    const auto* index = kwargs.if_contains("index");
    if (index == nullptr || index->is_null()) return json::value(args);
    const auto count = static_cast<std::int64_t>(args.size());
    if (!index->is_int64() || index->get_int64() >= count || index->get_int64() < -count) {
      throw FinalTaskError{"IndexError", "index: there is no such argument"};
    }
    const auto at = index->get_int64() + (index->get_int64() < 0 ? count : 0);
    return args[static_cast<std::size_t>(at)];
  };
  tasks.add_built_in(std::move(accumulate));
  tasks.add_built_in(
      built_in("celery.chain", {}, [](TaskContext&, const Arguments&) -> json::value {
        throw FinalTaskError{"NotImplementedError", "chain is not a real task"};
      }));
  // The store's own retention does what it is for.
  tasks.add_built_in(built_in("celery.backend_cleanup", {},
                              [](TaskContext&, const Arguments&) { return json::value{}; }));
}

void add_canvas_tasks(TaskRegistry& tasks, CanvasDesk& canvas, ResultStore& results) {
  add_inside(tasks, built_in("celery.group",
                             {needed("tasks", "array"), optional("result"), optional("group_id"),
                              optional("partial_args", "[]")},
                             [&canvas](TaskContext& context, const Arguments& arguments) {
                               auto group = composite("group", {{"tasks", arguments[0]}});
                               group["options"] = json::object{{"task_id", arguments[2]}};
                               return applied(canvas, context, group, list_of(arguments[3]));
                             }));
  add_inside(tasks,
             built_in("celery.chord",
                      {needed("header"), needed("body", "object"), optional("partial_args", "[]")},
                      [&canvas](TaskContext& context, const Arguments& arguments) {
                        return applied(
                            canvas, context,
                            composite("chord", {{"header", arguments[0]}, {"body", arguments[1]}}),
                            list_of(arguments[2]));
                      }));
  add_inside(tasks,
             built_in("celery.chunks",
                      {needed("task", "object"), needed("it", "array"), needed("n", "integer")},
                      [&canvas](TaskContext& context, const Arguments& arguments) {
                        (void)mapped_name(arguments[0]);
                        return applied(canvas, context,
                                       chunks(arguments[0], arguments[1].get_array(),
                                              arguments[2].to_number<std::int64_t>()),
                                       {});
                      }));
  auto unlock = built_in("celery.chord_unlock",
                         {needed("group_id", "string"), needed("callback", "object"),
                          optional("interval"), optional("max_retries"), needed("result", "array")},
                         Unlocking{canvas, results});
  unlock.options.ignore_result = true;
  add_inside(tasks, std::move(unlock));
}

}  // namespace umbel
