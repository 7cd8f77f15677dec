// JSON values as Python would print them (celery/utils/saferepr.py), because that is what events,
// logs and Flower show.
#pragma once

#include <boost/json.hpp>
#include <string>

namespace umbel::celery {

inline constexpr std::size_t kReprLimit = 1024;  // saferepr's maxlen

[[nodiscard]] std::string repr(const boost::json::value& value);
[[nodiscard]] std::string repr_args(
    const boost::json::array& args);  // as a tuple: `(1, 2)`, `(1,)`, `()`
[[nodiscard]] std::string repr_kwargs(const boost::json::object& kwargs);  // `{'x': 1}`
[[nodiscard]] std::string repr_exception(std::string_view type,
                                         std::string_view message);  // `ValueError('boom')`

}  // namespace umbel::celery
