package fake

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// ending is where a request's answer is made.
type ending int

const (
	atService   ending = iota // by the toy service behind mid
	atAssets                  // by a service right behind edge
	noRoute                   // by edge: it knows no such path
	noHost                    // by mid: the service has no healthy host
	edgeTimeout               // by edge, which gives up on mid after routeTimeout
)

const routeTimeout = 300 * time.Millisecond

// shape is one kind of request that the shop's customers make.
type shape struct {
	name    string
	weight  int // of 100
	method  corev3.RequestMethod
	path    string // %d is a number
	service string // that answers, in the end
	code    uint32
	grpc    string        // grpc-status, "" if the request is not gRPC
	retries int           // failed attempts of mid
	median  time.Duration // of the service's work
	body    uint64        // of the request, bytes
	ending  ending
}

// shapes is the mix: mostly fine, with each kind of trouble now and then.
func shapes() []shape {
	const (
		get  = corev3.RequestMethod_GET
		post = corev3.RequestMethod_POST
		put  = corev3.RequestMethod_PUT
		del  = corev3.RequestMethod_DELETE
		ms   = time.Millisecond
	)
	return []shape{
		{name: "list", weight: 22, method: get, path: "/api/products?page=%d", service: "catalog", code: 200, median: 9 * ms},
		{name: "product", weight: 18, method: get, path: "/api/products/%d", service: "catalog", code: 200, median: 5 * ms},
		{name: "product-unknown", weight: 4, method: get, path: "/api/products/%d", service: "catalog", code: 404, median: 3 * ms},
		{name: "asset", weight: 12, method: get, path: "/assets/app.%d.css", service: "assets", code: 200, median: ms / 2, ending: atAssets},
		{name: "cart-add", weight: 9, method: post, path: "/api/cart/items", service: "cart", code: 201, median: 12 * ms, body: 180},
		{name: "cart-change", weight: 4, method: put, path: "/api/cart/items/%d", service: "cart", code: 200, median: 10 * ms, body: 40},
		{name: "cart-remove", weight: 3, method: del, path: "/api/cart/items/%d", service: "cart", code: 204, median: 7 * ms},
		{name: "checkout", weight: 5, method: post, path: "/api/checkout", service: "payment", code: 200, median: 90 * ms, body: 700},
		{name: "checkout-failed", weight: 3, method: post, path: "/api/checkout", service: "payment", code: 500, median: 60 * ms, body: 700},
		{name: "reserve", weight: 7, method: post, path: "/shop.Inventory/Reserve", service: "inventory", code: 200, grpc: "0", median: 4 * ms, body: 60},
		{name: "reserve-unknown", weight: 2, method: post, path: "/shop.Inventory/Reserve", service: "inventory", code: 200, grpc: "5", median: 2 * ms, body: 60},
		{name: "recommend-retried", weight: 4, method: get, path: "/api/recommendations/%d", service: "recommend", code: 200, retries: 2, median: 14 * ms},
		{name: "reviews-down", weight: 3, method: get, path: "/api/reviews/%d", service: "reviews", code: 503, ending: noHost},
		{name: "search-slow", weight: 1, method: get, path: "/api/search?q=%d", service: "search", code: 504, ending: edgeTimeout},
		{name: "no-route", weight: 3, method: get, path: "/wp-login.php", code: 404, ending: noRoute},
	}
}
