// Whether a JSON value is what a schema of docs/openapi.json says: the few words that it uses.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <vector>

namespace umbel::collector {

class SchemaCheck {
 public:
  explicit SchemaCheck(const boost::json::value& description) : description_{description} {}

  // What is wrong, each with its place; empty: nothing. A key that the schema does not name is
  // wrong too, unless it says `additionalProperties`.
  [[nodiscard]] std::vector<std::string> operator()(const boost::json::value& value,
                                                    const boost::json::value& schema) const {
    std::vector<std::string> wrong;
    look(value, schema, "$", wrong);
    return wrong;
  }
  // The schema of a 200 of this operation.
  [[nodiscard]] const boost::json::value& answer_of(const std::string& path,
                                                    const std::string& method = "get") const {
    return description_.at("paths")
        .at(path)
        .at(method)
        .at("responses")
        .at("200")
        .at("content")
        .at("application/json")
        .at("schema");
  }

 private:
  using Value = boost::json::value;

  void look(const Value& value, const Value& given, const std::string& place,
            std::vector<std::string>& wrong) const {
    const auto& schema = given.as_object();
    if (const auto* const target = schema.if_contains("$ref")) {
      const std::string name{
          target->as_string().subview(std::string{"#/components/schemas/"}.size())};
      return look(value, description_.at("components").at("schemas").at(name), place, wrong);
    }
    if (value.is_null() && schema.contains("nullable")) return;
    if (const auto* const all = schema.if_contains("allOf")) {
      for (const Value& each : all->as_array()) look(value, each, place, wrong);
    }
    const auto* const type = schema.if_contains("type");
    if (type == nullptr) return;
    if (!is(value, type->as_string())) {
      wrong.push_back(place + " is no " + std::string{type->as_string()} + ": " +
                      boost::json::serialize(value).substr(0, 80));
      return;
    }
    if (const auto* const allowed = schema.if_contains("enum")) {
      bool known = false;
      for (const Value& each : allowed->as_array()) known = known || each == value;
      if (!known) wrong.push_back(place + " is not allowed: " + boost::json::serialize(value));
    }
    if (value.is_array()) {
      for (std::size_t i = 0; i < value.as_array().size(); ++i)
        look(value.as_array()[i], schema.at("items"), place + "[" + std::to_string(i) + "]", wrong);
    }
    if (value.is_object()) look_into(value.as_object(), schema, place, wrong);
  }

  void look_into(const boost::json::object& object, const boost::json::object& schema,
                 const std::string& place, std::vector<std::string>& wrong) const {
    const auto* const required = schema.if_contains("required");
    if (required != nullptr) {
      for (const Value& key : required->as_array()) {
        if (!object.contains(key.as_string()))
          wrong.push_back(place + " has no " + std::string{key.as_string()});
      }
    }
    const auto* const properties = schema.if_contains("properties");
    for (const auto& [key, value] : object) {
      const auto* const known =
          properties == nullptr ? nullptr : properties->as_object().if_contains(key);
      if (known != nullptr) {
        look(value, *known, place + "." + std::string{key}, wrong);
      } else if (!schema.contains("additionalProperties")) {
        wrong.push_back(place + "." + std::string{key} + " is not described");
      }
    }
  }

  [[nodiscard]] static bool is(const Value& value, std::string_view type) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_bool();
    if (type == "integer") return value.is_int64() || value.is_uint64();
    return value.is_number();
  }

  const Value& description_;
};

}  // namespace umbel::collector
