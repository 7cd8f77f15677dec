#include "page_routes.hpp"

#include <gtest/gtest.h>

namespace umbel::collector {
namespace {

const std::array kFiles{Asset{"/index.html", "text/html; charset=utf-8", "\"1\"", "<html>", ""}};

class PageRoutes : public ::testing::Test {
 protected:
  PageRoutes() { add_page_routes(router, kFiles); }
  http::Response ask(const std::string& path, const std::string& accept,
                     const std::string& method = "GET") {
    http::Request request;
    request.method = method;
    request.path = path;
    if (!accept.empty()) request.headers["accept"] = accept;
    return router.handle(std::move(request));
  }
  http::Router router;
};

TEST_F(PageRoutes, EveryAddressOfAViewIsThePage) {
  for (const char* path :
       {"/tasks", "/task/3f1c", "/names", "/name/reddit.discover", "/name/a/b", "/workers",
        "/worker/w1@host", "/queues", "/broker", "/queue/umbel", "/schedule",
        "/schedule/each minute", "/errors", "/error/9ab1", "/submissions", "/system"}) {
    SCOPED_TRACE(path);
    const auto page = ask(path, "text/html,application/xhtml+xml,*/*;q=0.8");
    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(page.body, "<html>");
    EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
    bool strict = false, fresh = false;
    for (const auto& [name, value] : page.headers) {
      strict =
          strict || (name == "Content-Security-Policy" && value.starts_with("default-src 'none'"));
      fresh = fresh || (name == "Cache-Control" && value == "no-cache");
    }
    EXPECT_TRUE(strict);
    EXPECT_TRUE(fresh);
    EXPECT_EQ(ask(path, "*/*").status, 200);
    EXPECT_EQ(ask(path, "").status, 200);
    const auto head = ask(path, "*/*", "HEAD");
    EXPECT_EQ(head.status, 200);
    EXPECT_TRUE(head.body.empty());
    EXPECT_EQ(ask(path, "*/*", "PUT").status, 405);
  }
}

TEST_F(PageRoutes, WhoWantsDataIsToldWhereItIs) {
  const auto refused = ask("/tasks", "application/json");
  EXPECT_EQ(refused.status, 406);
  EXPECT_NE(refused.body.find("/api"), std::string::npos) << refused.body;
  EXPECT_EQ(ask("/tasks", "application/json, text/html;q=0").status, 406);
  EXPECT_EQ(ask("/tasks", "application/json, text/html;q=0.1").status, 200);
  EXPECT_EQ(ask("/tasks", "text/*").status, 200);
}

TEST_F(PageRoutes, AnUnknownPathIsNoPage) {
  for (const char* path : {"/nowhere", "/task", "/task/", "/tasks/", "/error/a/b", "/names/x"}) {
    const auto unknown = ask(path, "text/html");
    EXPECT_EQ(unknown.status, 404) << path;
    EXPECT_TRUE(unknown.body.starts_with("{\"error\"")) << unknown.body;
  }
}

}  // namespace
}  // namespace umbel::collector
