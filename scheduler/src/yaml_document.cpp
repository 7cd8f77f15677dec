#include "yaml_document.hpp"

#include <yaml-cpp/eventhandler.h>

#include <sstream>

namespace umbel {
namespace {

// Hears only where the last document began.
class Beginnings final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { last = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

  YAML::Mark last;
};

}  // namespace

FirstDocument first_document(const std::string& text) {
  FirstDocument first{YAML::Load(text), std::nullopt};
  std::istringstream in{text};
  YAML::Parser parser{in};
  Beginnings beginnings;
  if (parser.HandleNextDocument(beginnings) && parser.HandleNextDocument(beginnings)) {
    first.second = beginnings.last;
  }
  return first;
}

}  // namespace umbel
