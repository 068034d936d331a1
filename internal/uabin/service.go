package uabin

import "fmt"

// Encoding ids in namespace 0 of what a server sends (OPC 10000-6, annex A.3,
// NodeIds.csv).
const (
	ServiceFaultID          = 397
	FindServersResponseID   = 425
	EndpointsResponseID     = 431 // GetEndpoints
	OpenChannelResponseID   = 449 // OpenSecureChannel
	CreateSessionResponseID = 464
	ActivateResponseID      = 470 // ActivateSession
	CloseSessionResponseID  = 476
	BrowseResponseID        = 530
	BrowseNextResponseID    = 536
	TranslateResponseID     = 557 // TranslateBrowsePathsToNodeIds
	RegisterResponseID      = 563 // RegisterNodes
	UnregisterResponseID    = 569 // UnregisterNodes
	ReadResponseID          = 634
	HistoryReadResponseID   = 667
	CreateItemsResponseID   = 754 // CreateMonitoredItems
	ModifyItemsResponseID   = 766 // ModifyMonitoredItems
	DeleteItemsResponseID   = 784 // DeleteMonitoredItems
	SubscribeResponseID     = 790 // CreateSubscription
	ModifyResponseID        = 796 // ModifySubscription
	PublishingResponseID    = 802 // SetPublishingMode
	PublishResponseID       = 829
	RepublishResponseID     = 835
	TransferResponseID      = 844 // TransferSubscriptions
	UnsubscribeResponseID   = 850 // DeleteSubscriptions
)

// Encoding ids in namespace 0 of structures within messages.
const (
	HistoryDataID         = 658
	HistoryEventID        = 661
	DataChangeID          = 811 // DataChangeNotification
	StatusChangeID        = 820 // StatusChangeNotification
	RangeID               = 886
	EUInformationID       = 889
	EventListID           = 916 // EventNotificationList
	StructureDefinitionID = 122
	EnumDefinitionID      = 123
	EnumValueTypeID       = 8251
)

// Header is a ResponseHeader (OPC 10000-4, section 7.34) and what stands before it.
type Header struct {
	ID     uint32 // of the encoding of the response, in namespace 0
	Time   Time   // when the server sent it
	Handle uint32 // of the request
	Result Status // of the service as a whole
}

// Header reads what every response begins with.
func (r *Reader) Header() (h Header) {
	id := r.NodeID()
	if r.err == nil && (id.Kind != Numeric || id.Namespace != 0) {
		r.fail(fmt.Errorf("%w: response of type %s", ErrEncoding, id.AppendText(nil)))
	}
	h.ID = id.Number
	h.Time = r.Time()
	h.Handle = r.Uint32()
	h.Result = r.Status()
	r.SkipDiagnostic()
	for range r.Count(4) { // string table
		r.Bytes()
	}
	r.ExtensionObject() // additional header
	return h
}

// List is an array whose elements are read one after the other, by the function
// that its field names. It is a part of the message.
type List struct {
	Len    int // how many elements there are
	reader Reader
}

// Reader returns a reader at the first element.
func (l List) Reader() Reader { return l.reader }

// list passes over an array of n elements, and returns it.
func (r *Reader) list(n int, skip func(*Reader)) List {
	before := *r
	for range n {
		if r.err != nil {
			return List{}
		}
		skip(r)
	}
	if r.err != nil {
		return List{}
	}
	before.rest = consumed(before.rest, r.rest)
	return List{n, before}
}

// statuses reads an array of StatusCode.
func (r *Reader) statuses() List {
	n := r.Count(4)
	l := List{n, *r}
	l.reader.rest = r.take(4 * n)
	l.reader.err = r.err
	return l
}

// Read is a ReadResponse: Results in the order of what was asked, read by
// DataValue.
type Read struct{ Results List }

// Read reads the rest of a ReadResponse.
func (r *Reader) Read() (m Read) {
	m.Results = r.list(r.Count(1), func(r *Reader) { r.DataValue() })
	r.SkipDiagnostics()
	return m
}

// Publish is a PublishResponse.
type Publish struct {
	Subscription uint32       // id of the subscription that it is of
	Available    List         // sequence numbers that can be had by Republish, read by Uint32
	More         bool         // notifications are waiting: publish again
	Notification Notification // what is told
	Acknowledged List         // what became of the acknowledgements sent, read by Status
}

// Notification is a NotificationMessage.
type Notification struct {
	Sequence uint32 // of a keep-alive: that of the next message
	Time     Time   // when the server made it
	Data     List   // read by ExtensionObject; a keep-alive has none
}

// Publish reads the rest of a PublishResponse.
func (r *Reader) Publish() (m Publish) {
	m.Subscription = r.Uint32()
	m.Available = r.statuses() // the same size
	m.More = r.Bool()
	m.Notification = r.Notification()
	m.Acknowledged = r.statuses()
	r.SkipDiagnostics()
	return m
}

// Notification reads a NotificationMessage, which a RepublishResponse is as well.
func (r *Reader) Notification() (m Notification) {
	m.Sequence = r.Uint32()
	m.Time = r.Time()
	m.Data = r.list(r.Count(3), func(r *Reader) { r.ExtensionObject() })
	return m
}

// Items returns the monitored items of a DataChangeNotification, read by Item.
func (o ExtensionObject) Items() (List, error) {
	r := NewReader(o.Body)
	l := r.list(r.Count(5), func(r *Reader) { r.Item() })
	r.SkipDiagnostics()
	return l, r.End()
}

// Item is a MonitoredItemNotification.
type Item struct {
	Handle uint32    // the client's
	Value  DataValue // the new value
}

// Item reads a MonitoredItemNotification.
func (r *Reader) Item() Item { return Item{r.Uint32(), r.DataValue()} }

// Events returns the events of an EventNotificationList, read by Event.
func (o ExtensionObject) Events() (List, error) {
	r := NewReader(o.Body)
	l := r.list(r.Count(8), func(r *Reader) { r.Event() })
	return l, r.End()
}

// Event is an EventFieldList.
type Event struct {
	Handle uint32 // the client's, of the item
	Fields List   // in the order of the select clauses, read by Variant
}

// Event reads an EventFieldList.
func (r *Reader) Event() (e Event) {
	e.Handle = r.Uint32()
	e.Fields = r.list(r.Count(1), func(r *Reader) { r.Variant() })
	return e
}

// StatusChange returns the status of a StatusChangeNotification.
func (o ExtensionObject) StatusChange() (Status, error) {
	r := NewReader(o.Body)
	s := r.Status()
	r.SkipDiagnostic()
	return s, r.End()
}

// Statuses reads the rest of a response that is an array of StatusCode and one of
// DiagnosticInfo: of DeleteMonitoredItems, DeleteSubscriptions and
// SetPublishingMode. It is read by Status.
func (r *Reader) Statuses() List {
	l := r.statuses()
	r.SkipDiagnostics()
	return l
}

// Channel is an OpenSecureChannelResponse.
type Channel struct {
	Protocol  uint32 // version of the server
	ChannelID uint32 // never 0
	TokenID   uint32 // of the keys in use from now on
	Created   Time   // when, by the server
	Lifetime  uint32 // of the token, in milliseconds, as the server revised it
	Nonce     []byte // the server's share of the keys
}

// Channel reads the rest of an OpenSecureChannelResponse.
func (r *Reader) Channel() Channel {
	return Channel{r.Uint32(), r.Uint32(), r.Uint32(), r.Time(), r.Uint32(), r.Bytes()}
}

// Signature is a SignatureData.
type Signature struct {
	Algorithm []byte // its URI
	Bytes     []byte // the signature itself
}

func (r *Reader) signature() Signature { return Signature{r.Bytes(), r.Bytes()} }

// Session is a CreateSessionResponse.
type Session struct {
	ID          NodeID    // names the session to administrators
	Token       NodeID    // the secret that stands for the session in each request
	Timeout     float64   // in milliseconds, as the server revised it
	Nonce       []byte    // to be signed by ActivateSession
	Certificate []byte    // DER, of the server, perhaps with its chain behind
	Endpoints   List      // read by Endpoint
	Signature   Signature // over our certificate and nonce
	MaxRequest  uint32    // the longest request the server takes, in bytes; 0: not said
}

// Session reads the rest of a CreateSessionResponse.
func (r *Reader) Session() (s Session) {
	s.ID, s.Token = r.NodeID(), r.NodeID()
	s.Timeout = r.Float64()
	s.Nonce, s.Certificate = r.Bytes(), r.Bytes()
	s.Endpoints = r.endpoints()
	for range r.Count(8) { // SignedSoftwareCertificate: no server sends them
		r.Bytes()
		r.Bytes()
	}
	s.Signature = r.signature()
	s.MaxRequest = r.Uint32()
	return s
}

// Activated is an ActivateSessionResponse.
type Activated struct {
	Nonce []byte // to be signed at the next activation
}

// Activated reads the rest of an ActivateSessionResponse.
func (r *Reader) Activated() (a Activated) {
	a.Nonce = r.Bytes()
	r.statuses()
	r.SkipDiagnostics()
	return a
}

// Application is an ApplicationDescription (OPC 10000-4, section 7.2).
type Application struct {
	URI           []byte        // of this installation
	Product       []byte        // URI of the product
	Name          LocalizedText // for people to read
	Kind          uint32        // 0 server, 1 client, 2 both, 3 discovery server
	Gateway       []byte        // URI of the gateway that leads to it
	Profile       []byte        // discovery profile
	DiscoveryURLs List          // read by Bytes
}

// Application reads an ApplicationDescription.
func (r *Reader) Application() (a Application) {
	a.URI, a.Product = r.Bytes(), r.Bytes()
	a.Name = r.LocalizedText()
	a.Kind = r.Uint32()
	a.Gateway, a.Profile = r.Bytes(), r.Bytes()
	a.DiscoveryURLs = r.list(r.Count(4), func(r *Reader) { r.Bytes() })
	return a
}

// Endpoint is an EndpointDescription (OPC 10000-4, section 7.14).
type Endpoint struct {
	URL         []byte      // by which the server calls it
	Server      Application // who offers it
	Certificate []byte      // DER, of the server, perhaps with its chain behind
	Mode        uint32      // 1 None, 2 Sign, 3 SignAndEncrypt
	Policy      []byte      // its URI
	Tokens      List        // read by TokenPolicy
	Transport   []byte      // profile URI
	Level       byte        // how the server ranks it: higher is more secure
}

// Endpoint reads an EndpointDescription.
func (r *Reader) Endpoint() (e Endpoint) {
	e.URL = r.Bytes()
	e.Server = r.Application()
	e.Certificate = r.Bytes()
	e.Mode = r.Uint32()
	e.Policy = r.Bytes()
	e.Tokens = r.list(r.Count(20), func(r *Reader) { r.TokenPolicy() })
	e.Transport = r.Bytes()
	e.Level = r.Byte()
	return e
}

// TokenPolicy is a UserTokenPolicy (OPC 10000-4, section 7.42).
type TokenPolicy struct {
	ID       []byte // by which a token refers to it
	Kind     uint32 // 0 anonymous, 1 user name, 2 certificate, 3 issued token
	Token    []byte // kind of an issued token, by URI
	Issuer   []byte // URL of who issues it
	Security []byte // URI of the policy that secures it; empty: that of the endpoint
}

// TokenPolicy reads a UserTokenPolicy.
func (r *Reader) TokenPolicy() TokenPolicy {
	return TokenPolicy{r.Bytes(), r.Uint32(), r.Bytes(), r.Bytes(), r.Bytes()}
}

func (r *Reader) endpoints() List {
	return r.list(r.Count(30), func(r *Reader) { r.Endpoint() })
}

// Endpoints reads the rest of a GetEndpointsResponse, read by Endpoint.
func (r *Reader) Endpoints() List { return r.endpoints() }

// Servers reads the rest of a FindServersResponse, read by Application.
func (r *Reader) Servers() List {
	return r.list(r.Count(25), func(r *Reader) { r.Application() })
}

// Subscription is a CreateSubscriptionResponse, and without its ID a
// ModifySubscriptionResponse: what the server made of the wishes.
type Subscription struct {
	ID        uint32
	Interval  float64 // of publishing, in milliseconds
	Lifetime  uint32  // in publishing intervals
	KeepAlive uint32  // in publishing intervals
}

// Subscribed reads the rest of a CreateSubscriptionResponse.
func (r *Reader) Subscribed() Subscription {
	return Subscription{r.Uint32(), r.Float64(), r.Uint32(), r.Uint32()}
}

// Modified reads the rest of a ModifySubscriptionResponse.
func (r *Reader) Modified() Subscription {
	return Subscription{0, r.Float64(), r.Uint32(), r.Uint32()}
}

// CreatedItem is a MonitoredItemCreateResult, and without its ID a
// MonitoredItemModifyResult.
type CreatedItem struct {
	Status   Status // what became of the wish
	ID       uint32
	Sampling float64 // interval in milliseconds
	Queue    uint32  // length, as the server revised it
}

// CreatedItem reads a MonitoredItemCreateResult.
func (r *Reader) CreatedItem() CreatedItem {
	i := CreatedItem{r.Status(), r.Uint32(), r.Float64(), r.Uint32()}
	r.ExtensionObject() // filter result
	return i
}

// CreatedItems reads the rest of a CreateMonitoredItemsResponse, read by
// CreatedItem.
func (r *Reader) CreatedItems() List {
	l := r.list(r.Count(23), func(r *Reader) { r.CreatedItem() })
	r.SkipDiagnostics()
	return l
}

// Transferred is a TransferResult.
type Transferred struct {
	Status    Status // what became of the subscription
	Available List   // sequence numbers, read by Uint32
}

// Transferred reads a TransferResult.
func (r *Reader) Transferred() Transferred { return Transferred{r.Status(), r.statuses()} }

// TransferredAll reads the rest of a TransferSubscriptionsResponse, read by
// Transferred.
func (r *Reader) TransferredAll() List {
	l := r.list(r.Count(8), func(r *Reader) { r.Transferred() })
	r.SkipDiagnostics()
	return l
}

// Registered reads the rest of a RegisterNodesResponse, read by NodeID.
func (r *Reader) Registered() List {
	return r.list(r.Count(2), func(r *Reader) { r.NodeID() })
}

// Browsed is a BrowseResult.
type Browsed struct {
	Status       Status // whether the node could be browsed
	Continuation []byte // to go on from; nil if all was given
	References   List   // read by Reference
}

// Browsed reads a BrowseResult.
func (r *Reader) Browsed() (b Browsed) {
	b.Status = r.Status()
	b.Continuation = r.Bytes()
	b.References = r.list(r.Count(16), func(r *Reader) { r.Reference() })
	return b
}

// Reference is a ReferenceDescription (OPC 10000-4, section 7.30).
type Reference struct {
	Type       NodeID         // of the reference
	Forward    bool           // from the node that was browsed, not to it
	Node       ExpandedNodeID // where it leads to
	Name       QualifiedName  // BrowseName
	Display    LocalizedText  // DisplayName
	Class      uint32         // NodeClass: 1 object, 2 variable, 4 method, 8 and more types
	Definition ExpandedNodeID // type of an object or variable
}

// Reference reads a ReferenceDescription.
func (r *Reader) Reference() Reference {
	return Reference{r.NodeID(), r.Bool(), r.ExpandedNodeID(), r.QualifiedName(), r.LocalizedText(), r.Uint32(), r.ExpandedNodeID()}
}

// BrowsedAll reads the rest of a BrowseResponse or BrowseNextResponse, read by
// Browsed.
func (r *Reader) BrowsedAll() List {
	l := r.list(r.Count(12), func(r *Reader) { r.Browsed() })
	r.SkipDiagnostics()
	return l
}

// Path is a BrowsePathResult.
type Path struct {
	Status  Status // whether it leads anywhere
	Targets List   // read by Target
}

// Target is a BrowsePathTarget.
type Target struct {
	Node      ExpandedNodeID // where the path leads to
	Remaining uint32         // index of the first element not followed; the largest number if all were
}

// Target reads a BrowsePathTarget.
func (r *Reader) Target() Target { return Target{r.ExpandedNodeID(), r.Uint32()} }

// Path reads a BrowsePathResult.
func (r *Reader) Path() (p Path) {
	p.Status = r.Status()
	p.Targets = r.list(r.Count(6), func(r *Reader) { r.Target() })
	return p
}

// Paths reads the rest of a TranslateBrowsePathsToNodeIdsResponse, read by Path.
func (r *Reader) Paths() List {
	l := r.list(r.Count(8), func(r *Reader) { r.Path() })
	r.SkipDiagnostics()
	return l
}

// History is a HistoryReadResult.
type History struct {
	Status       Status          // whether there is a history
	Continuation []byte          // to go on from; nil if all was given
	Data         ExtensionObject // a HistoryData, or a HistoryEvent
}

// History reads a HistoryReadResult.
func (r *Reader) History() History {
	return History{r.Status(), r.Bytes(), r.ExtensionObject()}
}

// Histories reads the rest of a HistoryReadResponse, read by History.
func (r *Reader) Histories() List {
	l := r.list(r.Count(11), func(r *Reader) { r.History() })
	r.SkipDiagnostics()
	return l
}

// Values returns the values of a HistoryData, read by DataValue.
func (o ExtensionObject) Values() (List, error) {
	r := NewReader(o.Body)
	l := r.list(r.Count(1), func(r *Reader) { r.DataValue() })
	return l, r.End()
}
