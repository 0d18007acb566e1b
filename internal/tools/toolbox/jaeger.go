package toolbox

import "context"

func buildJaeger(ctx context.Context, version, work, target string) error {
	jaeger := goModule{path: "github.com/jaegertracing/jaeger", version: version}
	if err := jaeger.build(ctx, "/cmd/jaeger", "", work, target); err != nil {
		return err
	}
	_, err := command(ctx, work, nil, target, "version") // which it does not know
	return err
}
