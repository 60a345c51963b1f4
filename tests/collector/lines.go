// The exporter `lines`: every request as one line of OTLP/JSON, appended to a file at once. Nothing is
// queued, batched or retried.
package main

import (
	"context"
	"errors"
	"os"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// linesConfig says where the lines go.
type linesConfig struct {
	// Path of the file; it is made when missing and appended to.
	Path string `mapstructure:"path"`
}

// Validate refuses a configuration without a file.
func (config *linesConfig) Validate() error {
	if config.Path == "" {
		return errors.New("`path` is missing: the file that lines are appended to")
	}
	return nil
}

func newLinesFactory() exporter.Factory {
	return exporter.NewFactory(
		component.MustNewType("lines"),
		func() component.Config { return &linesConfig{} },
		exporter.WithTraces(newTraceLines, component.StabilityLevelDevelopment),
		exporter.WithMetrics(newMetricLines, component.StabilityLevelDevelopment),
		exporter.WithLogs(newLogLines, component.StabilityLevelDevelopment),
	)
}

// lines is the part that all signals share.
type lines struct {
	path string
	file *os.File
}

func (l *lines) Start(context.Context, component.Host) (err error) {
	l.file, err = os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return err
}

func (l *lines) Shutdown(context.Context) error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

func (*lines) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

// write appends a line. One call of the kernel a line keeps concurrent lines whole.
func (l *lines) write(line []byte, err error) error {
	if err != nil {
		return err
	}
	_, err = l.file.Write(append(line, '\n'))
	return err
}

type traceLines struct{ lines }

func newTraceLines(_ context.Context, _ exporter.Settings, config component.Config) (exporter.Traces, error) {
	return &traceLines{lines{path: config.(*linesConfig).Path}}, nil
}

func (l *traceLines) ConsumeTraces(_ context.Context, traces ptrace.Traces) error {
	return l.write((&ptrace.JSONMarshaler{}).MarshalTraces(traces))
}

type metricLines struct{ lines }

func newMetricLines(_ context.Context, _ exporter.Settings, config component.Config) (exporter.Metrics, error) {
	return &metricLines{lines{path: config.(*linesConfig).Path}}, nil
}

func (l *metricLines) ConsumeMetrics(_ context.Context, metrics pmetric.Metrics) error {
	return l.write((&pmetric.JSONMarshaler{}).MarshalMetrics(metrics))
}

type logLines struct{ lines }

func newLogLines(_ context.Context, _ exporter.Settings, config component.Config) (exporter.Logs, error) {
	return &logLines{lines{path: config.(*linesConfig).Path}}, nil
}

func (l *logLines) ConsumeLogs(_ context.Context, logs plog.Logs) error {
	return l.write((&plog.JSONMarshaler{}).MarshalLogs(logs))
}
