// `umbel up` as a test runs it: a stack of real programs in a folder and on ports of its own, what
// it prints, and its programs over HTTP. It ends with the test.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "free_offset.hpp"
#include "umbel/cli/child.hpp"
#include "umbel/http/client.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::e2e {

class StackTest : public ::testing::Test {
 protected:
  // Up, and its table printed. `environment` is the command's, beside what the test has.
  void start(std::vector<std::pair<std::string, std::string>> environment = {}) {
    auto child = Child::spawn({{UMBEL_BIN_DIR "/umbel", "up", "--source", UMBEL_SOURCE_DIR, "--var",
                                dir_.file("var"), "--port-offset", std::to_string(offset_)},
                               std::move(environment)});
    ASSERT_TRUE(child.has_value()) << child.error().what;
    up_.emplace(std::move(*child));
    ASSERT_TRUE(testing::eventually([&] { return printed("Ctrl-C stops everything"); },
                                    std::chrono::seconds{90}))
        << output_;
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << output_;
  }

  bool printed(const std::string& text) {
    for (const std::string& line : up_->read_lines()) output_ += line + "\n";
    return output_.find(text) != std::string::npos;
  }

  [[nodiscard]] std::string url(int port, const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port + offset_) + path;
  }
  Result<http::ClientResponse> send(http::ClientRequest request) {
    std::ignore = printed("");  // whoever does not read its pipe stops it
    return client_.send(request);
  }
  Result<http::ClientResponse> get(int port, const std::string& path) {
    http::ClientRequest request;
    request.url = url(port, path);
    return send(std::move(request));
  }

  // Runs `umbel up` over a folder to its end; how it ended, and all it said.
  static std::pair<std::string, std::string> up_to_the_end(const std::string& var, int offset) {
    auto child = Child::spawn({{UMBEL_BIN_DIR "/umbel", "up", "--source", UMBEL_SOURCE_DIR, "--var",
                                var, "--port-offset", std::to_string(offset)},
                               {}});
    EXPECT_TRUE(child.has_value());
    std::string said;
    EXPECT_TRUE(testing::eventually([&] {
      for (const std::string& line : child->read_lines()) said += line + "\n";
      return child->ended().has_value() && child->output() == -1;
    }));
    return {child->ended().value_or("still runs"), said};
  }

  // The pid of the program behind a port, from what the table printed.
  std::vector<pid_t> pids() {
    std::vector<pid_t> found;
    std::istringstream lines{output_};
    bool table = false;
    for (std::string line; std::getline(lines, line);) {
      if (line.find("what it does") != std::string::npos) {
        table = true;
      } else if (table && line.size() < 3) {
        break;
      } else if (table) {
        found.push_back(std::stoi(line.substr(line.rfind(' ') + 1)));
      }
    }
    return found;
  }

  [[nodiscard]] static bool gone(pid_t pid) {
    std::ifstream stat{"/proc/" + std::to_string(pid) + "/stat"};
    std::string text;
    std::getline(stat, text);
    return text.empty() || text.find(") Z ") != std::string::npos;
  }

  testing::TempDir dir_;
  int offset_ = free_offset();
  std::optional<Child> up_;
  std::string output_;
  http::Client client_;
};

}  // namespace umbel::e2e
