#include "umbel/metrics/metrics.hpp"

#include <dirent.h>
#include <prometheus/family.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <list>
#include <map>
#include <optional>
#include <stdexcept>

#include "umbel/metrics/catalogue.hpp"
#include "umbel/metrics/change.hpp"

namespace umbel::metrics {
namespace {

constexpr std::size_t kSeriesPerFamily = 1000;
constexpr std::size_t kMostLines = 30'000;      // of one text()
constexpr std::size_t kLinesForOthers = 3'000;  // for `other` in each family, and for heads
constexpr std::size_t kMostForeign = 200;       // families that other processes declared
constexpr const char* kOther = "other";

// Lines that one series takes.
std::size_t lines_of(const Family& family) {
  return family.kind == Kind::Histogram ? family.buckets.size() + 3 : 1;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double resident_bytes() {
  std::ifstream statm{"/proc/self/statm"};
  double total = 0;
  double resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double entries_of(const char* folder) {
  DIR* dir = opendir(folder);
  if (dir == nullptr) return 0;
  double count = 0;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(dir);
  return count;
}

}  // namespace

std::string BoundedLabel::operator()(const std::string& value) {
  const std::lock_guard lock{mutex_};
  if (seen_.contains(value)) return value;
  if (seen_.size() < limit_) {
    seen_.insert(value);
    return value;
  }
  ++folded_;
  return kOther;
}

std::size_t BoundedLabel::folded() const {
  const std::lock_guard lock{mutex_};
  return folded_;
}

struct Metrics::Impl {
  // What changes() has told of a series so far.
  struct Told {
    double amount = 0;
    std::vector<double> counts;
  };

  // One family of one type, with the series it has so far.
  template <class T>
  struct Series {
    prometheus::Family<T>* family = nullptr;
    Family declared{};
    std::map<std::vector<std::string>, T*> by_values;
    std::map<std::vector<std::string>, Told> told;  // by changes(); made by it
  };

  template <class T>
  Series<T>& series(std::map<std::string, Series<T>>& all, const Family& family) {
    auto& found = all[family.name];
    if (found.family == nullptr) {
      found.declared = family;
      if constexpr (std::is_same_v<T, prometheus::Counter>) {
        found.family =
            &prometheus::BuildCounter().Name(family.name).Help(family.help).Register(registry);
      } else if constexpr (std::is_same_v<T, prometheus::Gauge>) {
        found.family =
            &prometheus::BuildGauge().Name(family.name).Help(family.help).Register(registry);
      } else {
        found.family =
            &prometheus::BuildHistogram().Name(family.name).Help(family.help).Register(registry);
      }
    }
    return found;
  }

  template <class T>
  T& get(std::map<std::string, Series<T>>& all, const Family& family, Kind kind,
         const std::vector<std::string>& values) {
    if (family.kind != kind || values.size() != family.labels.size()) {
      throw std::logic_error{std::string{"metric "} + family.name +
                             " used against its declaration"};
    }
    const std::lock_guard lock{mutex};
    auto& known = series(all, family);
    if (const auto found = known.by_values.find(values); found != known.by_values.end()) {
      return *found->second;
    }
    auto kept = values;
    const bool too_many = known.by_values.size() >= kSeriesPerFamily ||
                          lines + lines_of(family) > kMostLines - kLinesForOthers;
    if (too_many && !values.empty()) {
      kept.assign(values.size(), kOther);
      folded->Increment();
      if (const auto found = known.by_values.find(kept); found != known.by_values.end()) {
        return *found->second;
      }
    }
    std::map<std::string, std::string> labels;
    for (std::size_t i = 0; i < kept.size(); ++i) labels[family.labels[i]] = kept[i];
    T* made = nullptr;
    if constexpr (std::is_same_v<T, prometheus::Histogram>) {
      made = &known.family->Add(labels, family.buckets);
    } else {
      made = &known.family->Add(labels);
    }
    known.by_values.emplace(std::move(kept), made);
    lines += lines_of(family);
    return *made;
  }

  // What a series has, as SeriesChange tells it, and what of it is new.
  static Told state_of(const prometheus::Counter& counter) { return {counter.Value(), {}}; }
  static Told state_of(const prometheus::Gauge& gauge) { return {gauge.Value(), {}}; }
  static Told state_of(const prometheus::Histogram& histogram) {
    const auto all = histogram.Collect().histogram;
    Told state{all.sample_sum, {}};
    double below = 0;
    for (const auto& bucket : all.bucket) {  // cumulative, up to infinity
      const auto count = static_cast<double>(bucket.cumulative_count);
      state.counts.push_back(count - below);
      below = count;
    }
    return state;
  }
  static std::optional<Told> moved(const Told& told, const Told& now, Kind kind) {
    if (told.amount == now.amount && told.counts == now.counts) return std::nullopt;
    Told by = now;
    if (kind == Kind::Gauge) return by;
    by.amount -= told.amount;
    for (std::size_t i = 0; i < told.counts.size() && i < by.counts.size(); ++i) {
      by.counts[i] -= told.counts[i];
    }
    return by;
  }
  template <class T>
  void tell(std::map<std::string, Series<T>>& all, std::vector<SeriesChange>& changes) {
    for (auto& [name, series] : all) {
      const auto& family = series.declared;
      for (const auto& [values, metric] : series.by_values) {
        auto& told = series.told[values];
        auto now = state_of(*metric);
        if (told.counts.empty()) told.counts.resize(now.counts.size());
        auto by = moved(told, now, family.kind);
        if (!by) continue;
        told = std::move(now);
        changes.push_back({family.kind, name, family.help,
                           std::vector<std::string>{family.labels.begin(), family.labels.end()},
                           family.buckets, values, by->amount, std::move(by->counts)});
      }
    }
  }

  // A family that came from outside: by the name it is known here, if it is.
  const Family* declared(const std::string& name) {
    for (const auto* family : all_families()) {
      if (name == family->name) return family;
    }
    const std::lock_guard lock{mutex};
    if (const auto found = counters.find(name); found != counters.end())
      return &found->second.declared;
    if (const auto found = gauges.find(name); found != gauges.end()) return &found->second.declared;
    if (const auto found = histograms.find(name); found != histograms.end())
      return &found->second.declared;
    return nullptr;
  }
  // Nothing: there are too many.
  const Family* declare(const SeriesChange& change) {
    const std::lock_guard lock{mutex};
    if (foreign.size() >= kMostForeign) return nullptr;
    auto& kept = foreign.emplace_back(change);
    auto& family = foreign_families.emplace_back();
    family = {kept.name.c_str(), kept.kind, kept.help.c_str(), {}, kept.buckets};
    for (const auto& label : kept.labels) family.labels.push_back(label.c_str());
    return &family;
  }

  mutable std::mutex mutex;
  std::size_t lines = 0;            // of all series
  std::list<SeriesChange> foreign;  // owns the words of the families that others declared
  std::list<Family> foreign_families;
  prometheus::Registry registry;
  std::map<std::string, Series<prometheus::Counter>> counters;
  std::map<std::string, Series<prometheus::Gauge>> gauges;
  std::map<std::string, Series<prometheus::Histogram>> histograms;
  prometheus::Counter* folded = nullptr;
  prometheus::Gauge* resident = nullptr;
  prometheus::Counter* cpu = nullptr;
  prometheus::Gauge* descriptors = nullptr;
  prometheus::Gauge* threads = nullptr;
  mutable std::mutex process_mutex;  // the CPU counter is moved by a difference
};

Metrics::Metrics(std::string_view program) : impl_{std::make_unique<Impl>()} {
  impl_->folded = &counter(kLabelsFolded);
  gauge(kBuildInfo, {std::string{program}, UMBEL_VERSION}).Set(1);
  gauge(kProcessStart)
      .Set(static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                   std::chrono::system_clock::now().time_since_epoch())
                                   .count()) /
           1000);
  impl_->resident = &gauge(kProcessResident);
  impl_->cpu = &counter(kProcessCpu);
  impl_->descriptors = &gauge(kProcessFds);
  impl_->threads = &gauge(kProcessThreads);
}

Metrics::~Metrics() = default;

prometheus::Counter& Metrics::counter(const Family& family,
                                      const std::vector<std::string>& values) {
  return impl_->get(impl_->counters, family, Kind::Counter, values);
}

prometheus::Gauge& Metrics::gauge(const Family& family, const std::vector<std::string>& values) {
  return impl_->get(impl_->gauges, family, Kind::Gauge, values);
}

prometheus::Histogram& Metrics::histogram(const Family& family,
                                          const std::vector<std::string>& values) {
  return impl_->get(impl_->histograms, family, Kind::Histogram, values);
}

void Metrics::remove(const Family& family, const std::vector<std::string>& values) {
  const std::lock_guard lock{impl_->mutex};
  const auto known = impl_->gauges.find(family.name);
  if (known == impl_->gauges.end()) return;
  const auto found = known->second.by_values.find(values);
  if (found == known->second.by_values.end()) return;
  known->second.family->Remove(found->second);
  known->second.by_values.erase(found);
  impl_->lines -= lines_of(family);
}

std::vector<SeriesChange> Metrics::changes() {
  const std::lock_guard lock{impl_->mutex};
  std::vector<SeriesChange> changes;
  impl_->tell(impl_->counters, changes);
  impl_->tell(impl_->gauges, changes);
  impl_->tell(impl_->histograms, changes);
  return changes;
}

Result<void> Metrics::add(const SeriesChange& change) {
  const auto refused = [&change](const std::string& why) {
    return invalid("metric " + change.name.substr(0, 100) + ": " + why);
  };
  const auto grows = [](double by) { return std::isfinite(by) && by >= 0; };
  const bool sizes_fit = change.kind == Kind::Histogram
                             ? change.counts.size() == change.buckets.size() + 1
                             : change.counts.empty();
  if (!sizes_fit || change.values.size() != change.labels.size()) {
    return refused("its parts do not fit together");
  }
  if ((change.kind == Kind::Counter && !grows(change.amount)) ||
      !std::ranges::all_of(change.counts, grows) ||
      (change.kind == Kind::Histogram && std::isnan(change.amount))) {
    return refused("it would shrink");
  }
  const auto* family = impl_->declared(change.name);
  if (family != nullptr &&
      (family->kind != change.kind || family->buckets != change.buckets ||
       !std::ranges::equal(family->labels, change.labels,
                           [](const char* a, const std::string& b) { return a == b; }))) {
    return refused("declared otherwise here");
  }
  try {
    if (family == nullptr) family = impl_->declare(change);
    if (family == nullptr) return refused("too many families that are not in the catalogue");
    switch (change.kind) {
      case Kind::Counter:
        counter(*family, change.values).Increment(change.amount);
        break;
      case Kind::Gauge:
        gauge(*family, change.values).Set(change.amount);
        break;
      case Kind::Histogram:
        histogram(*family, change.values).ObserveMultiple(change.counts, change.amount);
    }
  } catch (const std::exception& error) {  // a name that Prometheus does not take
    return refused(error.what());
  }
  return {};
}

std::string Metrics::text() const {
  {
    const std::lock_guard lock{impl_->process_mutex};
    impl_->resident->Set(resident_bytes());
    impl_->descriptors->Set(entries_of("/proc/self/fd"));
    impl_->threads->Set(entries_of("/proc/self/task"));
    if (const double more = cpu_seconds() - impl_->cpu->Value(); more > 0) {
      impl_->cpu->Increment(more);
    }
  }
  return prometheus::TextSerializer{}.Serialize(impl_->registry.Collect());
}

}  // namespace umbel::metrics
