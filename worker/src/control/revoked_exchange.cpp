#include "revoked_exchange.hpp"

#include <string>

#include "umbel/celery/repr.hpp"

namespace umbel {
namespace {

namespace json = boost::json;

Error raised(std::string_view type, std::string_view message) {
  return invalid(celery::repr_exception(type, message));
}

const char* python_type(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "NoneType";
    case json::kind::bool_:
      return "bool";
    case json::kind::string:
      return "str";
    case json::kind::array:
      return "list";
    case json::kind::object:
      return "dict";
    case json::kind::double_:
      return "float";
    case json::kind::int64:
    case json::kind::uint64:
      return "int";
  }
  return "int";
}

// A float, or a list that begins with one.
Result<double> revoked_at(const json::value& value) {
  const json::value* time = &value;
  if (const auto* const list = value.if_array(); list != nullptr && !list->empty()) {
    time = &list->front();
  }
  if (time->is_double()) return Result<double>{time->get_double()};
  const auto shown = time->is_string() ? std::string{time->get_string()} : celery::repr(*time);
  return raised("ValueError", std::string{"Expecting float timestamp, got type <class '"} +
                                  python_type(*time) + "'> with value: " + shown);
}

}  // namespace

json::object revoked_document(RevokedSet& revoked) {
  json::object document;
  for (const auto& entry : revoked.entries()) {
    document[entry.id] = json::array{monotonic_seconds(entry.when), entry.id};
  }
  return document;
}

Result<void> merge_revoked(RevokedSet& into, const json::value& document) {
  if (const auto* const ids = document.if_array()) {
    for (const auto& id : *ids) {
      if (id.is_string()) into.add(std::string{id.get_string()});
    }
    return {};
  }
  const auto* const entries = document.if_object();
  if (entries == nullptr) {
    if (document.is_null()) return {};
    return raised("TypeError",
                  std::string{"'"} + python_type(document) + "' object is not iterable");
  }
  for (const auto& [id, value] : *entries) {
    const auto time = revoked_at(value);
    if (!time) return time.error();
    into.add(std::string{id}, from_monotonic_seconds(*time));
  }
  return {};
}

}  // namespace umbel
