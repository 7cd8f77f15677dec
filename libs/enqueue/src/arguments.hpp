// What a task is called with, read from JSON and held against the catalogue. Pure.
//
// A worker checks the same when it runs the task; here the caller learns of it at once, while it is
// still there to read it.
#pragma once

#include <boost/json.hpp>
#include <string>

#include "umbel/base/result.hpp"
#include "umbel/store/task_catalogue.hpp"

namespace umbel::enqueue {

struct Arguments {
  boost::json::array args;
  boost::json::object kwargs;
};

// Invalid: one of them is no JSON, or not an array and an object.
[[nodiscard]] Result<Arguments> read_arguments(const std::string& task, const std::string& args,
                                               const std::string& kwargs);

// Invalid names the argument that is missing, unknown, given twice or of another type, and what the
// task takes. Arguments by position stand for the parameters in their order.
[[nodiscard]] Result<void> check_arguments(const CatalogueEntry& entry, const Arguments& given);

}  // namespace umbel::enqueue
