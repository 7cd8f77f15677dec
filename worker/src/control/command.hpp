// One remote-control command: its name, what it takes, what it does. Pure but for Controlled.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlled.hpp"
#include "umbel/base/result.hpp"

namespace umbel {

// The value of an answer; or Errc::Invalid, worded as the repr of the exception that Python would
// have raised.
using Reply = Result<boost::json::value>;

[[nodiscard]] Error raised_as(std::string_view type, std::string_view message);
[[nodiscard]] boost::json::value ok(std::string_view text);                   // {"ok": text}
[[nodiscard]] boost::json::value nok(std::string_view text);                  // {"error": text}
[[nodiscard]] std::string set_repr(const std::vector<std::string>& members);  // {'a', 'b'}

// The arguments of one call. What is absent and what is null are the same.
class Arguments {
 public:
  Arguments(std::string_view command, const boost::json::object& given)
      : command_{command}, given_{given} {}

  [[nodiscard]] const boost::json::value* find(std::string_view name) const;
  [[nodiscard]] bool truth(std::string_view name) const;                // as Python's bool()
  [[nodiscard]] Result<std::string> text(std::string_view name) const;  // empty: absent
  [[nodiscard]] Result<std::optional<std::int64_t>> whole(std::string_view name) const;
  [[nodiscard]] Result<std::optional<double>> number(std::string_view name) const;
  // One text is a list of it, each once.
  [[nodiscard]] Result<std::vector<std::string>> texts(std::string_view name) const;
  [[nodiscard]] Error wrong(std::string_view name, std::string_view wanted) const;

 private:
  std::string_view command_;
  const boost::json::object& given_;
};

struct CommandContext {
  Controlled& worker;
  std::vector<std::string>& memory_samples;
};

struct Command {
  std::string_view name;   // of the Python function, as its TypeErrors name it
  std::string_view alias;  // empty: none
  bool writes = false;     // changes something: logged
  std::vector<std::string_view> required, optional;
  bool takes_more = true;  // other arguments are ignored, not an error
  Reply (*run)(CommandContext&, const Arguments&) = nullptr;
};

[[nodiscard]] std::vector<Command> inspect_commands();
[[nodiscard]] std::vector<Command> control_commands();
[[nodiscard]] std::vector<Command> pool_commands();

}  // namespace umbel
