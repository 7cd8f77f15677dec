// One table of routes: method and path to handler. Pure, so that the table can be tested without a
// socket.
//
// A path may have `<name>` parts, each matching one or more characters but `/`; `<name...>`,
// at most once, matches slashes too. Literal paths beat patterns, whatever the order of adding. No
// trailing slash is forgiven (as in Flower).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "umbel/http/message.hpp"

namespace umbel::http {

using Handler = std::function<Response(const Request&)>;  // called from many threads

class Router {
 public:
  void add(std::string method, std::string path, Handler handler);
  // Method and path of every route, in the order of adding.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> routes() const;
  // Runs the handler; 404 for an unknown path, 405 with `Allow` for a known path and another
  // method. HEAD is GET without its body. What a handler throws is a 500 that names no internals.
  [[nodiscard]] Response handle(Request request) const;

 private:
  struct Route {
    std::string method;
    std::string path;
    std::vector<std::string> parts;
    bool literal = true;
    Handler handler;
  };
  std::vector<Route> routes_;
};

}  // namespace umbel::http
