// The envelope that crosses a broker: Celery's properties, headers and body, as bytes.
//
// A broker carries it without looking inside; libs/celery reads and writes what it holds. Headers
// are the text of one JSON object, so that no JSON type crosses the broker port; an adapter whose
// wire has typed tables converts.
#pragma once

#include <optional>
#include <string>

#include "umbel/base/clock.hpp"

namespace umbel {

struct Message {
  std::string content_type;      // `application/json` for everything that we write
  std::string content_encoding;  // `utf-8`
  std::string headers;           // text of a JSON object; empty is read as {}
  std::string body;
  std::string correlation_id;  // the task's id
  std::string reply_to;        // empty: nobody waits
  int priority = 0;            // 0…255, larger = sooner; an adapter inverts where its engine does
  std::optional<WallTime> expires;

  friend bool operator==(const Message&, const Message&) = default;
};

}  // namespace umbel
