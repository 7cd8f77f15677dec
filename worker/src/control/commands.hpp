// Answers remote-control requests: finds the command, checks what it was given, says what Celery
// would say.
#pragma once

#include <boost/json.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "controlled.hpp"

namespace umbel {

struct Answer {
  boost::json::value value;  // goes back to who asked
  bool replies = true;       // false: nothing goes back, whoever asked
  bool failed = false;       // the value is an error
  bool writes = false;       // something may have changed
  std::string method;        // as it is known here; `other`: no such command
};

// Of one thread.
class Commands {
 public:
  explicit Commands(Controlled& worker);

  [[nodiscard]] Answer answer(const std::string& method, const boost::json::object& arguments);
  [[nodiscard]] std::vector<std::string> names() const;  // without aliases

 private:
  Controlled& worker_;
  std::map<std::string, Command, std::less<>> commands_;
  std::vector<std::string> memory_samples_;
};

}  // namespace umbel
