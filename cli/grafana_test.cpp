// What `umbel up` gives Grafana, rendered from the boards that ship.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "umbel/cli/stack.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using umbel::testing::TempDir;

class StackWithGrafana : public ::testing::Test {
 protected:
  StackWithGrafana() {
    options_.source_dir = UMBEL_SOURCE_DIR;
    options_.var_dir = dir_.file("var");
    options_.grafana = "/usr/sbin/grafana-server";
    options_.port_offset = 1000;
  }
  [[nodiscard]] std::string text(const fs::path& below) const {
    std::ifstream file{options_.var_dir / "grafana" / below};
    EXPECT_TRUE(file.is_open()) << below;
    std::stringstream all;
    all << file.rdbuf();
    return all.str();
  }
  [[nodiscard]] static std::size_t boards(const fs::path& folder) {
    const fs::directory_iterator files{folder};
    return static_cast<std::size_t>(std::count_if(begin(files), end(files), [](const auto& file) {
      return file.path().extension() == ".json";
    }));
  }

  TempDir dir_;
  StackOptions options_;
};

TEST_F(StackWithGrafana, ProvisionsItsDataSourceAndBoards) {
  ASSERT_TRUE(prepare_stack(options_).has_value());

  const std::string folder = (options_.var_dir / "grafana").string();
  EXPECT_THAT(text("grafana.ini"), HasSubstr("http_port = 4000\n"));
  EXPECT_THAT(text("grafana.ini"), HasSubstr("provisioning = " + folder + "/provisioning\n"));
  const std::string source = text("provisioning/datasources/prometheus.yml");
  EXPECT_THAT(source, HasSubstr("url: http://127.0.0.1:10090\n"));
  EXPECT_THAT(source, HasSubstr("uid: prometheus\n"));
  const std::string provider = text("provisioning/dashboards/umbel.yml");
  EXPECT_THAT(provider, HasSubstr("path: " + folder + "/dashboards\n"));
  EXPECT_THAT(provider, HasSubstr("allowUiUpdates: true\n"));
  EXPECT_EQ(boards(folder + "/dashboards"), 7U);
  EXPECT_EQ(boards(folder + "/dashboards"), boards(options_.source_dir / "dashboards"));
  // Links of the boards lead to this stack's page.
  const std::string overview = text("dashboards/overview.json");
  EXPECT_THAT(overview, HasSubstr("http://localhost:6555\""));
  EXPECT_THAT(overview, Not(HasSubstr("5555")));
}

TEST_F(StackWithGrafana, AlertsLeadToTheSamePage) {
  options_.prometheus = "/usr/bin/prometheus";

  ASSERT_TRUE(prepare_stack(options_).has_value());

  const std::string rules = text("../prometheus-rules/umbel.yml");
  EXPECT_THAT(rules, HasSubstr("page: 'http://localhost:6555/queue/{{ $labels.queue "));
  EXPECT_THAT(rules, Not(HasSubstr("5555")));
  EXPECT_THAT(text("../prometheus.yml"),
              HasSubstr((options_.var_dir / "prometheus-rules").string() + "/*.yml"));
}

TEST_F(StackWithGrafana, ForgetsABoardThatIsNoMore) {
  ASSERT_TRUE(prepare_stack(options_).has_value());
  const fs::path folder = options_.var_dir / "grafana" / "dashboards";
  std::ofstream{folder / "retired.json"} << "{}";

  ASSERT_TRUE(prepare_stack(options_).has_value());

  EXPECT_FALSE(fs::exists(folder / "retired.json"));
}

TEST_F(StackWithGrafana, NamesTheFolderThatHasNoBoards) {
  options_.source_dir = dir_.path();

  const auto prepared = prepare_stack(options_);

  ASSERT_TRUE(prepared.has_error());
  EXPECT_THAT(prepared.error().what, HasSubstr(dir_.file("dashboards")));
}

TEST_F(StackWithGrafana, UsesTheFilesThatCameWithTheBinary) {
  const fs::path home = dir_.file("grafana");
  fs::create_directories(home / "bin");
  fs::create_directories(home / "conf");
  std::ofstream{home / "conf" / "defaults.ini"} << "";
  std::ofstream{home / "bin" / "grafana-server"} << "";

  const auto packaged = plan_stack(options_);
  options_.grafana = (home / "bin" / "grafana-server").string();
  const auto own = plan_stack(options_);

  EXPECT_THAT(packaged.back().command.argv, ::testing::Contains("--homepath=/usr/share/grafana"));
  EXPECT_THAT(own.back().command.argv, ::testing::Contains("--homepath=" + home.string()));
}

}  // namespace
}  // namespace umbel
