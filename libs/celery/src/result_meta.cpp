#include "umbel/celery/result_meta.hpp"

#include <algorithm>
#include <array>

#include "envelope.hpp"
#include "field_reader.hpp"
#include "json_text.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/repr.hpp"
#include "value_reader.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;

// Python's ordinary exceptions that can be made of a message. Without those that end a process
// (SystemExit, KeyboardInterrupt, GeneratorExit): they would end the caller's.
constexpr std::array kBuiltins = std::to_array<std::string_view>({
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "BlockingIOError",
    "BrokenPipeError",
    "BufferError",
    "BytesWarning",
    "ChildProcessError",
    "ConnectionAbortedError",
    "ConnectionError",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "DeprecationWarning",
    "EOFError",
    "EnvironmentError",
    "Exception",
    "FileExistsError",
    "FileNotFoundError",
    "FloatingPointError",
    "FutureWarning",
    "IOError",
    "ImportError",
    "ImportWarning",
    "IndentationError",
    "IndexError",
    "InterruptedError",
    "IsADirectoryError",
    "KeyError",
    "LookupError",
    "MemoryError",
    "ModuleNotFoundError",
    "NameError",
    "NotADirectoryError",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "PendingDeprecationWarning",
    "PermissionError",
    "ProcessLookupError",
    "RecursionError",
    "ReferenceError",
    "ResourceWarning",
    "RuntimeError",
    "RuntimeWarning",
    "StopAsyncIteration",
    "StopIteration",
    "SyntaxError",
    "SyntaxWarning",
    "SystemError",
    "TabError",
    "TimeoutError",
    "TypeError",
    "UnboundLocalError",
    "UnicodeDecodeError",
    "UnicodeEncodeError",
    "UnicodeError",
    "UnicodeTranslateError",
    "UnicodeWarning",
    "UserWarning",
    "ValueError",
    "Warning",
    "ZeroDivisionError",
});

// Without those that mean something to the worker whose task would raise them (Retry, Ignore,
// Reject).
constexpr std::array kCelery = std::to_array<std::string_view>({
    "AlreadyRegistered",
    "BackendError",
    "BackendGetMetaError",
    "BackendStoreError",
    "CeleryError",
    "ChordError",
    "ImproperlyConfigured",
    "IncompleteStream",
    "InvalidTaskError",
    "MaxRetriesExceededError",
    "NotConfigured",
    "NotRegistered",
    "QueueNotFound",
    "SecurityError",
    "TaskError",
    "TaskRevokedError",
});

constexpr std::array kBilliard = std::to_array<std::string_view>({
    "SoftTimeLimitExceeded",
    "Terminated",
    "TimeLimitExceeded",
    "WorkerLostError",
});

constexpr std::string_view kBuiltinModule = "builtins";
// No Python module: a caller that does not find it makes a class of the type's name.
constexpr std::string_view kOwnModule = "umbel";

template <std::size_t N>
bool holds(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string_view module_of(std::string_view type, std::string_view given) {
  if (given != kBuiltinModule) return given;
  if (holds(kBuiltins, type)) return kBuiltinModule;
  if (holds(kCelery, type)) return "celery.exceptions";
  if (holds(kBilliard, type)) return "billiard.exceptions";
  return kOwnModule;
}

bool has_exception(TaskState state) {
  return state == TaskState::Failure || state == TaskState::Retry || state == TaskState::Revoked;
}

void append_text_or_null(std::string& out, std::string_view text) {
  if (text.empty()) {
    out += "null";
  } else {
    append_json_string(out, text);
  }
}

void append_tree(std::string& out, const ResultTree& tree) {
  out += "[[";
  append_json_string(out, tree.id);
  out += ", null], ";
  if (!tree.group) {
    out += "null]";
    return;
  }
  std::string_view separator = "[";
  if (tree.members.empty()) out += '[';
  for (const auto& member : tree.members) {
    out += separator;
    append_tree(out, member);
    separator = ", ";
  }
  out += "]]";
}

void append_state(std::string& out, const CallerResult& result) {
  out += R"("status": )";
  append_json_string(out, result.state == TaskState::Custom ? std::string_view{result.custom_state}
                                                            : to_text(result.state));
  out += R"(, "result": )";
  out += has_exception(result.state) ? exception_for_python(result.result) : result.result;
  out += R"(, "traceback": )";
  append_text_or_null(out, result.traceback);
  out += R"(, "children": [)";
  std::string_view separator;
  for (const auto& child : result.children) {
    out += separator;
    append_tree(out, child);
    separator = ", ";
  }
  out += ']';
}

void append_task_id(std::string& out, const CallerResult& result) {
  out += R"("task_id": )";
  append_json_string(out, result.id.str());
}

Result<ResultTree> tree_of(const json::value& value) {
  const auto refuse = [] {
    return invalid("a result tuple is not [[id, parent], null or a list of tuples]");
  };
  const auto* pair = value.if_array();
  if (pair == nullptr || pair->size() != 2) return refuse();
  const json::value& head = (*pair)[0];
  const json::value* id = &head;
  if (const auto* with_parent = head.if_array()) {
    if (with_parent->empty()) return refuse();
    id = &(*with_parent)[0];
  }
  if (!id->is_string() || id->get_string().empty()) return refuse();
  ResultTree tree;
  tree.id = std::string{text_of(id->get_string())};
  const json::value& members = (*pair)[1];
  if (members.is_null()) return tree;
  const auto* list = members.if_array();
  if (list == nullptr) return refuse();
  tree.group = true;
  for (const json::value& member : *list) {
    auto child = tree_of(member);
    if (!child) return child.error();
    tree.members.push_back(std::move(*child));
  }
  return tree;
}

// What one looks for in an object of others: a text, or nothing.
std::string text_in(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return std::string{text_of(value->get_string())};
}

std::string json_in(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value == nullptr || value->is_null() ? std::string{} : to_python_json(*value);
}

Result<json::object> object_of(std::string_view what, std::string_view text) {
  if (const auto fits = check_size(what, text.size()); !fits) return fits.error();
  auto value = parse_plain_json(text);
  if (!value) return invalid(std::string{what} + ": " + value.error().what);
  if (!value->is_object()) {
    return invalid(std::string{what} + " is " + described(*value) + ", not an object");
  }
  return std::move(value->get_object());
}

json::array arguments_of(const json::object& exception) {
  const auto* message = exception.if_contains("exc_message");
  if (message == nullptr || message->is_null()) return {};
  if (const auto* list = message->if_array()) return *list;
  if (message->is_object()) return json::array{json::value(repr(*message))};
  return json::array{*message};
}

// billiard's has the seconds as a number; ours come in words.
void unquote_number(json::array& arguments) {
  if (arguments.size() != 1 || !arguments[0].is_string()) return;
  const auto number = parse_plain_json(text_of(arguments[0].get_string()));
  if (number && number->is_number()) arguments[0] = *number;
}

}  // namespace

std::string encode_result_meta(const CallerResult& result) {
  std::string out = "{";
  append_state(out, result);
  out += R"(, "date_done": )";
  append_text_or_null(out, result.done ? iso8601(*result.done) : std::string{});
  if (!result.group.empty()) {
    out += R"(, "group_id": )";
    append_json_string(out, result.group);
  }
  if (!result.parent.empty()) {
    out += R"(, "parent_id": )";
    append_json_string(out, result.parent);
  }
  out += ", ";
  append_task_id(out, result);
  out += '}';
  return out;
}

std::string encode_result_message(const CallerResult& result) {
  std::string out = "{";
  append_task_id(out, result);
  out += ", ";
  append_state(out, result);
  out += '}';
  return out;
}

Result<FoundResult> decode_result_meta(std::string_view text) {
  auto read = object_of("a task's result", text);
  if (!read) return read.error();
  const json::object& object = *read;
  FoundResult found;
  CallerResult& result = found.result;
  result.id = TaskId{text_in(object, "task_id")};
  if (result.id.empty()) return invalid("a task's result has no text in `task_id`");
  const auto status = text_in(object, "status");
  if (status.empty()) {
    return invalid("a task's result has no text in `status`");
  }
  const auto* value = object.if_contains("result");
  if (value == nullptr) return invalid("a task's result has no `result`");
  if (const auto known = task_state_from(status); known && *known != TaskState::Custom) {
    result.state = *known;
  } else {
    result.state = TaskState::Custom;
    result.custom_state = status;
  }
  result.result = to_python_json(*value);
  result.traceback = text_in(object, "traceback");
  if (const auto* children = object.if_contains("children");
      children != nullptr && children->is_array()) {
    for (const json::value& child : children->get_array()) {
      if (auto tree = tree_of(child)) result.children.push_back(std::move(*tree));
    }
  }
  result.group = text_in(object, "group_id");
  result.parent = text_in(object, "parent_id");
  result.done = parse_iso8601(text_in(object, "date_done"));
  found.name = text_in(object, "name");
  found.args = json_in(object, "args");
  found.kwargs = json_in(object, "kwargs");
  found.worker = text_in(object, "worker");
  found.queue = text_in(object, "queue");
  if (const auto* retries = object.if_contains("retries");
      retries != nullptr && retries->is_int64()) {
    found.retries = retries->get_int64();
  }
  return found;
}

bool says_success(std::string_view text) {
  if (text.starts_with(R"({"status": "SUCCESS",)")) return true;  // as every Celery writes it
  const auto object = object_of("", text);
  return object && text_in(*object, "status") == "SUCCESS";
}

std::string encode_result_tree(const ResultTree& tree) {
  std::string out;
  append_tree(out, tree);
  return out;
}

std::string encode_group(const ResultTree& group) {
  return R"({"result": )" + encode_result_tree(group) + "}";
}

Result<ResultTree> decode_group(std::string_view text) {
  const auto object = object_of("a group's result", text);
  if (!object) return object.error();
  const auto* tuple = object->if_contains("result");
  if (tuple == nullptr) return invalid("a group's result has no `result`");
  auto tree = tree_of(*tuple);
  if (tree && !tree->group) return invalid("a group's result tuple has no members");
  return tree;
}

std::string exception_for_python(std::string_view document) {
  const auto read = parse_plain_json(document);
  const auto* object = read ? read->if_object() : nullptr;
  const auto type = object != nullptr ? text_in(*object, "exc_type") : std::string{};
  json::object exception;
  if (type.empty()) {
    return to_json(exception_document("RuntimeError", shortened(document, kReprLimit)));
  }
  auto module = text_in(*object, "exc_module");
  if (module.empty()) module = kBuiltinModule;
  const auto known = module_of(type, module);
  exception["exc_type"] = json::string_view{type.data(), type.size()};
  auto arguments = arguments_of(*object);
  if (type == "TimeLimitExceeded") unquote_number(arguments);
  exception["exc_message"] = std::move(arguments);
  exception["exc_module"] = json::string_view{known.data(), known.size()};
  return to_python_json(exception);
}

std::string repr_of_exception(std::string_view document) {
  const auto read = parse_plain_json(document);
  const auto* object = read ? read->if_object() : nullptr;
  const auto type = object != nullptr ? text_in(*object, "exc_type") : std::string{};
  if (type.empty()) return shortened(document, kReprLimit);
  std::string out = type + "(";
  std::string_view separator;
  for (const json::value& argument : arguments_of(*object)) {
    out += separator;
    out += repr(argument);
    separator = ", ";
  }
  return shortened(out + ")", kReprLimit);
}

}  // namespace umbel::celery
