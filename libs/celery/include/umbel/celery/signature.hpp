// A call that is yet to be made, as Celery passes it around inside messages (canvas.py: Signature):
// what follows a task, an element of a chain, the body of a chord.
//
// A value: it is read whole, so that everything below it is known to be well formed, and written
// back as it came.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "umbel/base/result.hpp"

namespace umbel::celery {

struct Signature {
  enum class Kind { Task, Chain, Group, Chord };
  Kind kind = Kind::Task;
  std::string task;            // name; of a composite `celery.chain` and so on
  boost::json::array args;     // typed values as they came
  boost::json::object kwargs;  // of a composite without its parts
  // Any option of apply_async. Those that hold signatures (`link`, `link_error`, `chain`: lists;
  // `chord`: one) have been checked; nulls are left out.
  boost::json::object options;
  bool immutable = false;  // takes no result of what came before it
  // Of a chain its tasks in order, of a group its members; of a chord two: its header, which is a
  // group, and its body.
  std::vector<Signature> parts;
  boost::json::object extra;  // members that are none of the above

  friend bool operator==(const Signature&, const Signature&) = default;
};

// Errc::Invalid names the place, which begins with `place`, and the fault:
// `chain[1].options.link[0] has no task name`.
[[nodiscard]] Result<Signature> read_signature(const boost::json::value& document,
                                               std::string_view place);
// A list of them; a single one is taken for a list of one, null for an empty one.
[[nodiscard]] Result<std::vector<Signature>> read_signatures(const boost::json::value& documents,
                                                             std::string_view place);
[[nodiscard]] boost::json::object document_of(const Signature& signature);

}  // namespace umbel::celery
