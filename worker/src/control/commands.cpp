#include "commands.hpp"

#include <algorithm>
#include <exception>

#include "umbel/base/text.hpp"
#include "umbel/celery/repr.hpp"

namespace umbel {
namespace {

namespace json = boost::json;

std::string quoted(std::string_view name) { return "'" + std::string{name} + "'"; }

// `'a'`, `'a' and 'b'`, `'a', 'b', and 'c'`
std::string listed(const std::vector<std::string_view>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += names.size() > 2 ? ", " : " ";
    if (i > 0 && i + 1 == names.size()) text += "and ";
    text += quoted(names[i]);
  }
  return text;
}

// As Python's call of the function would fail.
Result<void> check(const Command& command, const json::object& arguments) {
  std::vector<std::string_view> missing;
  for (const auto name : command.required) {
    if (!arguments.contains(name)) missing.push_back(name);
  }
  for (const auto& [key, value] : arguments) {
    const std::string_view name{key.data(), key.size()};
    if (command.takes_more || std::ranges::find(command.required, name) != command.required.end() ||
        std::ranges::find(command.optional, name) != command.optional.end()) {
      continue;
    }
    return raised_as("TypeError", std::string{command.name} +
                                      "() got an unexpected keyword argument " +
                                      quoted(shortened(name, 100)));
  }
  if (missing.empty()) return {};
  return raised_as("TypeError", std::string{command.name} + "() missing " +
                                    std::to_string(missing.size()) +
                                    " required positional argument" +
                                    (missing.size() == 1 ? "" : "s") + ": " + listed(missing));
}

bool is_error(const json::value& value) {
  const auto* const object = value.if_object();
  return object != nullptr && object->contains("error");
}

}  // namespace

Commands::Commands(Controlled& worker) : worker_{worker} {
  for (auto group : {inspect_commands(), control_commands(), pool_commands()}) {
    for (auto& command : group) {
      if (!command.alias.empty()) commands_.emplace(command.alias, command);
      commands_.emplace(command.name, std::move(command));
    }
  }
}

Answer Commands::answer(const std::string& method, const json::object& arguments) {
  Answer answer;
  const auto found = commands_.find(method);
  if (found == commands_.end()) {
    answer.method = "other";
    answer.failed = true;
    answer.value = nok(celery::repr_exception("KeyError", shortened(method, 200)));
    return answer;
  }
  const auto& command = found->second;
  answer.method = std::string{command.name};
  answer.writes = command.writes;
  answer.replies = command.name != "shutdown";
  if (const auto fits = check(command, arguments); !fits) {
    answer.failed = true;
    answer.replies = true;
    answer.value = nok(fits.error().what);
    return answer;
  }
  CommandContext context{worker_, memory_samples_};
  try {
    auto reply = command.run(context, Arguments{command.name, arguments});
    answer.value = reply ? std::move(*reply) : nok(reply.error().what);
  } catch (const std::exception& error) {
    answer.value = nok(celery::repr_exception("RuntimeError", error.what()));
  }
  answer.failed = is_error(answer.value);
  return answer;
}

std::vector<std::string> Commands::names() const {
  std::vector<std::string> names;
  for (const auto& [name, command] : commands_) {
    if (name == command.name) names.push_back(name);
  }
  return names;
}

}  // namespace umbel
