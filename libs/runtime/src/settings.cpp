#include "umbel/runtime/settings.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <utility>

#include "umbel/base/text.hpp"

namespace umbel {
namespace {

// One option: where its text comes from does not matter to how it is read.
struct Option {
  OptionText text;
  bool is_switch = false;
  std::function<std::string()> current;                               // the default, for --help
  std::function<std::optional<std::string>(const std::string&)> set;  // an error text, or nothing
};

std::string upper_snake(const std::string& name) {
  std::string out;
  for (const char c : name) {
    out += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::stringstream stream{text};
  for (std::string part; std::getline(stream, part, ',');) {
    const auto first = part.find_first_not_of(' ');
    if (first == std::string::npos) continue;
    parts.push_back(part.substr(first, part.find_last_not_of(' ') - first + 1));
  }
  return parts;
}

std::string joined(const std::vector<std::string>& parts, const char* separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::optional<bool> parse_bool(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const char* word : {"y", "yes", "t", "true", "on", "1"}) {
    if (text == word) return true;
  }
  for (const char* word : {"n", "no", "f", "false", "off", "0"}) {
    if (text == word) return false;
  }
  return std::nullopt;
}

}  // namespace

struct Settings::Impl {
  std::string program;
  std::string purpose;
  std::vector<Option> options;
  std::vector<std::function<void()>> finish;  // from texts to the targets of choices
  std::string positional_name, positional_help;
  std::vector<std::string>* positional = nullptr;

  // The program's name without `umbel-`: its section in umbel.yaml.
  [[nodiscard]] std::string section() const {
    return program.starts_with("umbel-") ? program.substr(6) : program;
  }

  Option* find(const std::string& name) {
    for (Option& option : options) {
      if (option.text.name == name) return &option;
    }
    return nullptr;
  }

  [[nodiscard]] std::string did_you_mean(const std::string& word, const char* prefix) const {
    std::vector<std::string> names;
    for (const Option& option : options) names.push_back(prefix + option.text.name);
    names.push_back(std::string{prefix} + "help");
    names.push_back(std::string{prefix} + "version");
    const auto near = nearest(word, names);
    return near ? fmt::format("; did you mean `{}`?", *near) : "";
  }

  [[nodiscard]] std::string help() const {
    std::string out = fmt::format("{} — {}\n\nUsage: {} [options]{}\n", program, purpose, program,
                                  positional != nullptr ? " " + positional_name : "");
    if (positional != nullptr) out += fmt::format("\n  {}\n", positional_help);
    out += "\nOptions:\n";
    const auto line = [&](const std::string& left, const std::string& help) {
      out += left.size() < 33 ? fmt::format("  {:<33} {}\n", left, help)
                              : fmt::format("  {}\n  {:33} {}\n", left, "", help);
    };
    for (const Option& option : options) {
      std::string left = "--" + option.text.name;
      if (!option.is_switch) left += " " + option.text.value;
      const std::string value = option.current();
      const bool shown = !value.empty() && !(option.is_switch && value == "false");
      line(left, option.text.help + (shown ? fmt::format(" [{}]", value) : ""));
    }
    line("--config FILE", "settings file [umbel.yaml, if there is one]");
    line("--version", "print the version");
    line("--help", "print this");
    out += fmt::format(
        "\nEvery option has an environment twin, --some-name is UMBEL_SOME_NAME, and a key in"
        "\numbel.yaml, at its top or below `{}:`. Flag beats environment beats file.\n",
        section());
    return out;
  }

  // Applies one value; a mistake is added to `mistakes` with where it came from.
  static void apply(Option& option, const std::string& value, const std::string& where,
                    std::vector<std::string>& mistakes) {
    if (const auto mistake = option.set(value)) {
      mistakes.push_back(fmt::format("{}: {}", where, *mistake));
    }
  }

  void apply_yaml(const std::string& text, std::vector<std::string>& mistakes) {
    const auto read = [&](const YAML::Node& map, const std::string& prefix, bool top) {
      for (const auto& pair : map) {
        const auto key = pair.first.as<std::string>();
        const int row = pair.first.Mark().line + 1;
        if (top && pair.second.IsMap()) continue;  // a program's section
        Option* option = find(key);
        if (option == nullptr) {
          if (!top) {
            mistakes.push_back(fmt::format("umbel.yaml:{}: unknown key `{}{}`{}", row, prefix, key,
                                           did_you_mean(key, "")));
          }
          continue;  // at the top a key may be meant for another program
        }
        std::string value;
        if (pair.second.IsSequence()) {
          std::vector<std::string> parts;
          for (const auto& item : pair.second) parts.push_back(item.as<std::string>());
          value = joined(parts, ",");
        } else {
          value = pair.second.as<std::string>("");
        }
        apply(*option, value, fmt::format("umbel.yaml:{}: {}{}", row, prefix, key), mistakes);
      }
    };
    try {
      const YAML::Node root = YAML::Load(text);
      if (root.IsNull()) return;
      if (!root.IsMap()) {
        mistakes.emplace_back("umbel.yaml: must be a map of settings");
        return;
      }
      read(root, "", true);
      if (const auto own = root[section()]) {
        if (own.IsMap()) {
          read(own, section() + ".", false);
        } else {
          mistakes.push_back(fmt::format("umbel.yaml: `{}` must be a map of settings", section()));
        }
      }
    } catch (const YAML::Exception& failure) {
      mistakes.push_back(fmt::format("umbel.yaml:{}: {}", failure.mark.line + 1, failure.msg));
    }
  }
};

Settings::Settings(std::string program, std::string purpose) : impl_{std::make_unique<Impl>()} {
  impl_->program = std::move(program);
  impl_->purpose = std::move(purpose);
}

Settings::~Settings() = default;

void Settings::add(OptionText text, std::string& target) {
  impl_->options.push_back({std::move(text), false, [&target] { return without_password(target); },
                            [&target](const std::string& value) -> std::optional<std::string> {
                              target = value;
                              return std::nullopt;
                            }});
}

void Settings::add(OptionText text, std::int64_t& target, AllowedNumbers range) {
  impl_->options.push_back(
      {std::move(text), false, [&target] { return std::to_string(target); },
       [&target, range](const std::string& value) -> std::optional<std::string> {
         std::int64_t number = 0;
         const auto* end = value.data() + value.size();
         const auto [stop, error] = std::from_chars(value.data(), end, number);
         if (error != std::errc{} || stop != end) {
           return fmt::format("`{}` is not a whole number", value);
         }
         if (number < range.least || number > range.most) {
           return fmt::format("{} is out of range; allowed is {} to {}", number, range.least,
                              range.most);
         }
         target = number;
         return std::nullopt;
       }});
}

void Settings::add(OptionText text, double& target) {
  impl_->options.push_back({std::move(text), false, [&target] { return fmt::format("{}", target); },
                            [&target](const std::string& value) -> std::optional<std::string> {
                              double number = 0;
                              const auto* end = value.data() + value.size();
                              const auto [stop, error] = std::from_chars(value.data(), end, number);
                              if (error != std::errc{} || stop != end) {
                                return fmt::format("`{}` is not a number", value);
                              }
                              target = number;
                              return std::nullopt;
                            }});
}

void Settings::add(OptionText text, bool& target) {
  impl_->options.push_back({std::move(text), true,
                            [&target] { return std::string{target ? "true" : "false"}; },
                            [&target](const std::string& value) -> std::optional<std::string> {
                              const auto parsed = parse_bool(value);
                              if (!parsed) {
                                return fmt::format("`{}` is neither true nor false", value);
                              }
                              target = *parsed;
                              return std::nullopt;
                            }});
}

void Settings::add(OptionText text, std::vector<std::string>& target) {
  impl_->options.push_back({std::move(text), false, [&target] { return joined(target, ","); },
                            [&target](const std::string& value) -> std::optional<std::string> {
                              target = split(value);
                              return std::nullopt;
                            }});
}

void Settings::add_choice(OptionText text, std::string& target, std::vector<std::string> choices) {
  impl_->options.push_back(
      {std::move(text), false, [&target] { return target; },
       [&target,
        choices = std::move(choices)](const std::string& value) -> std::optional<std::string> {
         if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
           return fmt::format("`{}` is not one of {}", value, joined(choices, ", "));
         }
         target = value;
         return std::nullopt;
       }});
}

void Settings::add_common(CommonSettings& common) {
  add({"broker", "broker: queues and event stream", "URL", {"CELERY_BROKER_URL"}}, common.broker);
  add({"store", "store: acceptance, results, schedules, submissions", "URL", {}}, common.store);
  impl_->options.push_back({{"log-level", "debug, info, warn or error", "LEVEL", {}},
                            false,
                            [] { return std::string{"info"}; },
                            [&common](const std::string& value) -> std::optional<std::string> {
                              if (value == "debug") {
                                common.log_level = LogLevel::Debug;
                              } else if (value == "info") {
                                common.log_level = LogLevel::Info;
                              } else if (value == "warn" || value == "warning") {
                                common.log_level = LogLevel::Warn;
                              } else if (value == "error") {
                                common.log_level = LogLevel::Error;
                              } else {
                                return fmt::format("`{}` is not one of debug, info, warn, error",
                                                   value);
                              }
                              return std::nullopt;
                            }});
  impl_->options.push_back({{"log-format", "text or json", "FORMAT", {}},
                            false,
                            [] { return std::string{"text"}; },
                            [&common](const std::string& value) -> std::optional<std::string> {
                              if (value != "text" && value != "json") {
                                return fmt::format("`{}` is not one of text, json", value);
                              }
                              common.log_format =
                                  value == "json" ? LogFormat::Json : LogFormat::Text;
                              return std::nullopt;
                            }});
}

void Settings::positional(std::string name, std::string help, std::vector<std::string>& target) {
  impl_->positional_name = std::move(name);
  impl_->positional_help = std::move(help);
  impl_->positional = &target;
}

Result<void> Settings::load_from(
    const std::vector<std::string>& arguments,
    const std::function<std::optional<std::string>(const std::string&)>& environment,
    const std::optional<std::string>& yaml_text) {
  // CLI11 splits the command line (`--a b`, `--a=b`, `--`); what a value may be is said once, by
  // Option::set.
  CLI::App app{impl_->purpose, impl_->program};
  app.set_help_flag();
  app.allow_extras();
  std::map<std::string, std::vector<std::string>> values;
  std::map<std::string, bool> switches;
  std::string config;
  app.add_option("--config", config);
  for (const Option& option : impl_->options) {
    const std::string flag = "--" + option.text.name;
    if (option.is_switch) {
      app.add_flag(flag + ",!--no-" + option.text.name, switches[option.text.name]);
    } else {
      app.add_option(flag, values[option.text.name])->take_last()->expected(1);
    }
  }
  std::vector<std::string> mistakes;
  std::vector<std::string> words;
  try {
    std::vector<std::string> reversed{arguments.rbegin(), arguments.rend()};
    app.parse(reversed);
    words = app.remaining();
  } catch (const CLI::ParseError& failure) {
    mistakes.emplace_back(failure.what());
  }
  if (yaml_text) impl_->apply_yaml(*yaml_text, mistakes);
  for (Option& option : impl_->options) {
    const std::string own = "UMBEL_" + upper_snake(option.text.name);
    const bool flag_given = app.count("--" + option.text.name) > 0;
    const auto from_env = environment(own);
    if (!from_env && !flag_given) {
      const bool in_file =
          yaml_text && yaml_text->find(option.text.name + ":") != std::string::npos;
      for (const std::string& name : option.text.foreign) {
        const auto value = environment(name);
        if (value && !value->empty() && !in_file) {
          Impl::apply(option, *value, name, mistakes);
          break;
        }
      }
    }
    if (from_env) Impl::apply(option, *from_env, own, mistakes);
    if (!flag_given) continue;
    const std::string name = "--" + option.text.name;
    if (option.is_switch) {
      Impl::apply(option, switches[option.text.name] ? "true" : "false", name, mistakes);
    } else if (!values[option.text.name].empty()) {
      Impl::apply(option, values[option.text.name].back(), name, mistakes);
    }
  }
  bool after_unknown = false;  // its value, most likely: one mistake is enough said
  for (const std::string& word : words) {
    const bool is_flag = word.starts_with("-") && word != "-";
    if (std::exchange(after_unknown, is_flag && word.find('=') == std::string::npos) && !is_flag) {
      continue;
    }
    if (is_flag) {
      const std::string flag = word.substr(0, word.find('='));
      mistakes.push_back(
          fmt::format("unknown option `{}`{}", flag, impl_->did_you_mean(flag, "--")));
    } else if (impl_->positional != nullptr) {
      impl_->positional->push_back(word);
    } else {
      mistakes.push_back(fmt::format("unexpected word `{}`; options begin with --", word));
    }
  }
  if (mistakes.empty()) return {};
  return invalid(joined(mistakes, "\n"));
}

std::optional<int> Settings::load(int argc, const char* const* argv) {
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  std::optional<std::string> config;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--") break;
    if (arguments[i] == "--help" || arguments[i] == "-h") {
      std::cout << impl_->help();
      return 0;
    }
    if (arguments[i] == "--version") {
      std::cout << impl_->program << ' ' << version() << '\n';
      return 0;
    }
    if (arguments[i] == "--config" && i + 1 < arguments.size()) config = arguments[i + 1];
    if (arguments[i].starts_with("--config=")) config = arguments[i].substr(9);
  }
  const auto refuse = [&](const std::string& what) {
    std::cerr << impl_->program << ": " << what << "\nSee " << impl_->program << " --help.\n";
    return 2;
  };
  std::optional<std::string> yaml;
  if (std::ifstream file{config.value_or("umbel.yaml")}) {
    std::stringstream text;
    text << file.rdbuf();
    yaml = text.str();
  } else if (config) {
    return refuse(fmt::format("--config: cannot read `{}`", *config));
  }
  const auto environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>{value};
  };
  if (const auto loaded = load_from(arguments, environment, yaml); loaded.has_error()) {
    return refuse(loaded.error().what);
  }
  return std::nullopt;
}

std::string host_name() {
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  return name;
}

std::string producer_name() { return fmt::format("gen{}@{}", getpid(), host_name()); }

std::string version() { return UMBEL_VERSION; }

}  // namespace umbel
