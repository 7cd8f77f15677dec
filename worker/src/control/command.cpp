#include "command.hpp"

#include <algorithm>
#include <cmath>

#include "umbel/celery/repr.hpp"

namespace umbel {

namespace json = boost::json;

Error raised_as(std::string_view type, std::string_view message) {
  return invalid(celery::repr_exception(type, message));
}

json::value ok(std::string_view text) { return json::object{{"ok", text}}; }
json::value nok(std::string_view text) { return json::object{{"error", text}}; }

std::string set_repr(const std::vector<std::string>& members) {
  if (members.empty()) return "set()";
  std::string text = "{";
  for (const auto& member : members) {
    text += (text.size() == 1 ? "" : ", ") + celery::repr(json::value(member));
  }
  return text + "}";
}

const json::value* Arguments::find(std::string_view name) const {
  const auto* const value = given_.if_contains(name);
  return value != nullptr && value->is_null() ? nullptr : value;
}

bool Arguments::truth(std::string_view name) const {
  const auto* const value = find(name);
  if (value == nullptr) return false;
  switch (value->kind()) {
    case json::kind::bool_:
      return value->get_bool();
    case json::kind::int64:
      return value->get_int64() != 0;
    case json::kind::uint64:
      return value->get_uint64() != 0;
    case json::kind::double_:
      return value->get_double() != 0;
    case json::kind::string:
      return !value->get_string().empty();
    case json::kind::array:
      return !value->get_array().empty();
    case json::kind::object:
      return !value->get_object().empty();
    case json::kind::null:
      return false;
  }
  return false;
}

Error Arguments::wrong(std::string_view name, std::string_view wanted) const {
  const auto* const value = find(name);
  const auto got = value == nullptr ? std::string{"None"} : celery::repr(*value);
  return raised_as("TypeError", std::string{command_} + "() argument '" + std::string{name} +
                                    "' must be " + std::string{wanted} + ", not " + got);
}

Result<std::string> Arguments::text(std::string_view name) const {
  const auto* const value = find(name);
  if (value == nullptr) return Result<std::string>{std::string{}};
  if (!value->is_string()) return wrong(name, "a string");
  return Result<std::string>{std::string{value->get_string()}};
}

Result<std::optional<std::int64_t>> Arguments::whole(std::string_view name) const {
  using Answer = Result<std::optional<std::int64_t>>;
  const auto* const value = find(name);
  if (value == nullptr) return Answer{std::optional<std::int64_t>{}};
  if (value->is_int64()) return Answer{std::optional<std::int64_t>{value->get_int64()}};
  if (value->is_double()) {
    const double number = value->get_double();
    if (std::isfinite(number) && std::floor(number) == number && std::abs(number) < 1e15) {
      return Answer{std::optional<std::int64_t>{static_cast<std::int64_t>(number)}};
    }
  }
  return wrong(name, "a whole number");
}

Result<std::optional<double>> Arguments::number(std::string_view name) const {
  using Answer = Result<std::optional<double>>;
  const auto* const value = find(name);
  if (value == nullptr) return Answer{std::optional<double>{}};
  if (!value->is_number()) return wrong(name, "a number");
  const auto number = value->to_number<double>();
  if (!std::isfinite(number)) return wrong(name, "a finite number");
  return Answer{std::optional<double>{number}};
}

Result<std::vector<std::string>> Arguments::texts(std::string_view name) const {
  constexpr std::string_view kWanted = "a string, or a list of strings";
  std::vector<std::string> all;
  const auto* const value = find(name);
  if (value == nullptr) return all;
  if (value->is_string()) {
    all.emplace_back(value->get_string());
    return all;
  }
  if (!value->is_array()) return wrong(name, kWanted);
  for (const auto& one : value->get_array()) {
    if (!one.is_string()) return wrong(name, kWanted);
    std::string text{one.get_string()};
    if (std::ranges::find(all, text) == all.end()) all.push_back(std::move(text));
  }
  return all;
}

}  // namespace umbel
